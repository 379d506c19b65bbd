"""How weather is shown: sentences, JSON documents, charts. Pure code."""
