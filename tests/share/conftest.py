"""Pages are made without their scripts where the front end was not built: what they say is the same."""

import comm
import pytest
from widgets.conftest import Wire

from mimviz.share import page


@pytest.fixture(autouse=True)
def written(monkeypatch):
    monkeypatch.setattr(comm, "create_comm", Wire)
    if not page.STATIC.is_dir():
        monkeypatch.setattr(page, "_bytes", lambda name: b"/* not built */")
        page._static.cache_clear()
