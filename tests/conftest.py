"""Settings of every test."""

from hypothesis import settings

from browser import chromium, open_page

__all__ = ["chromium", "open_page"]  # fixtures for every test below

# Two workers on two cores: a slow example says that the machine is busy, not that the code is wrong.
settings.register_profile("vidscale", deadline=None)
settings.load_profile("vidscale")
