"""A local weather upstream: a real HTTP server with Open-Meteo's documented formats and simulated weather.

``python -m devstack.weather`` runs it; tests get it as the fixture ``weather_upstream``.
"""
