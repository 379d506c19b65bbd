"""Weather: warm, in a storm, and with a dead upstream."""
