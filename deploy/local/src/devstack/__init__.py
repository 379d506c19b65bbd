"""Real stores for tests, and the whole of Storefronts on one machine.

* ``devstack.stores``: PostgreSQL, Redis and MongoDB servers as objects: ``start``, ``kill``, ``restart``.
* ``devstack.pytest_plugin``: the same stores as pytest fixtures.
* ``devstack.weather``: a local server that speaks the weather upstream's format.
* ``python -m devstack``: stores, services and front door together (``make run``).
"""
