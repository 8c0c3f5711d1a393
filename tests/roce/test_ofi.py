"""libfabric's providers between two guests: messages and a composed collective, data verified."""
import pytest

# rxe's completion queues are short and its first address is link-local: what each provider has to be told here.
PROVIDERS = {
    "verbs;ofi_rxm": {"FI_OFI_RXM_MSG_TX_SIZE": "64", "FI_OFI_RXM_MSG_RX_SIZE": "64", "FI_UNIVERSE_SIZE": "8"},
    "verbs;ofi_rxd": {"FI_VERBS_GID_IDX": "1"},
    "udp;ofi_rxd": {"FI_UDP_IFACE": "eth1"},
    "tcp": {"FI_TCP_IFACE": "eth1"},
}


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
