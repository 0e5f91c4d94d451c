import pytest
import torch

from isoscope_terminal import app


@pytest.fixture(scope="module")
def one_thread():
    """Tiny networks on many threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def called(*arguments):
    with pytest.raises(SystemExit) as left:
        app.main([str(a) for a in arguments])
    return left.value.code or 0


@pytest.fixture
def isoscope(capsys):
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        code = called(*arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def refused(isoscope):
    """Run a command that has to be refused; the one line it says."""

    def run(*arguments):
        code, out, err = isoscope(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("isoscope: error: ")
        assert err.count("\n") == 1
        return err

    return run
