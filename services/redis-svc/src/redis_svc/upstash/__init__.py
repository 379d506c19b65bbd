"""The HTTP protocol of Upstash Redis: reading requests and writing answers. Pure.

Source: the REST API page of Upstash's documentation and the behaviour of the official SDKs.
"""
