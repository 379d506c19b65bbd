"""Accounts: who may log in, their sessions and tokens. The issuer of the tokens that every service takes."""
