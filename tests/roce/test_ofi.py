"""libfabric's providers between two guests: messages and a composed collective, data verified."""
import pytest

from conftest import PROVIDERS


@pytest.mark.parametrize("provider", PROVIDERS)
def test_provider(measure, provider):
    _, result = measure("latency", "bandwidth", "allreduce", "--bytes", "8,64K", "--window", "4", "--algo", "ring,ping-pong,window",
                        "--provider", provider, transport="ofi", variables=PROVIDERS[provider])
    cells = result["cells"]
    assert len(cells) == 6 and all(cell["status"] == "measured" for cell in cells), \
        [(cell["id"], cell["status"], cell.get("reason")) for cell in cells]
    assert all(cell["verify"]["checked_bytes"] > 0 and cell["verify"]["wrong_elements"] == 0 for cell in cells)
    assert {cell["evidence"]["verdict"] for cell in cells} == {"proven"}, [cell["evidence"] for cell in cells]
    assert {cell["evidence"]["fabric"] for cell in cells} == {"roce" if provider.startswith("verbs") else "tcp"}


@pytest.mark.parametrize("provider", ["verbs;ofi_rxm", "udp;ofi_rxd"])
def test_messages_without_tags(measure, provider):
    """Written into their receives, as over efa-direct; ofi_rxd promises no order."""
    _, result = measure("latency", "bandwidth", "allreduce", "--bytes", "8,64K", "--window", "4", "--algo", "ring,ping-pong,window",
                        "--provider", provider, "--ofi-messages", "written", transport="ofi", variables=PROVIDERS[provider])
    cells = result["cells"]
    assert len(cells) == 6 and all(cell["status"] == "measured" for cell in cells), \
        [(cell["id"], cell["status"], cell.get("reason")) for cell in cells]
    assert all(cell["verify"]["checked_bytes"] > 0 and cell["verify"]["wrong_elements"] == 0 for cell in cells)
    assert {cell["evidence"]["verdict"] for cell in cells} == {"proven"}, [cell["evidence"] for cell in cells]
    assert "messages written" in cells[0]["evidence"]["claims"][0]["how"]
