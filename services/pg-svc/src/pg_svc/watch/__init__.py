"""Following the rows that a request finds: a trigger tells of a change, and the request is asked again.

Asking again as the same caller is what keeps row-level security, filters and embeds right without knowing
anything about them. What changed is found by comparing with the rows that the listener has already.
"""
