"""The panel's tests drive the real module on the stand-in host; host/README.md says more."""

from panel.fixtures import host, module, panel, registered, shown, templates, volumes, worker  # noqa: F401
