"""The whole of Storefronts on one machine: stores, services and a front door (``python -m devstack``)."""
