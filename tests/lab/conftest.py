import pytest

from mimviz.lab import main


@pytest.fixture
def mimviz(capsys):
    """Run `mimviz …` in this process; gives (exit code, stdout, stderr)."""

    def run(*words: object):
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:  # argparse
            code = end.code
        return code, *capsys.readouterr()

    return run
