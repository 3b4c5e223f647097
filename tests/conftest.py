"""Settings of every test."""

from hypothesis import settings

from browser import chromium, open_page
from known_study import known_fit, known_model

__all__ = ["chromium", "known_fit", "known_model", "open_page"]  # fixtures for every test below

# Two workers on two cores: a slow example says that the machine is busy, not that the code is wrong.
settings.register_profile("vidscale", deadline=None)
settings.load_profile("vidscale")
