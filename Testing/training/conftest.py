"""What the tests of trainings share."""

import pytest


@pytest.fixture(scope="module")
def one_thread():
    """Sums are rounded otherwise with another number of threads: bit for bit holds for an equal number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
