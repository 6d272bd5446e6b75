"""The panel's tests drive the real module on the stand-in host; host/README.md says more."""

from panel.fixtures import (  # noqa: F401
    host,
    layout,
    module,
    panel,
    registered,
    shown,
    templates,
    views,
    volumes,
    worker,
)
