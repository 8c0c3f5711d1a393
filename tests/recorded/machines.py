"""The recorded machines. README.md says what is documented and what is assumed."""

from sysfs import (ETHERNET, GPU, INFINIBAND, NVME, SWITCH, Cpu, Machine, Net, Pci, Port, Rdma, Speed, bridge, switch)

# vendor, device, subsystem vendor, subsystem device
INTEL_ROOT_PORT = (0x8086, 0x352A, 0x8086, 0x0000)
INTEL_HOST = (0x8086, 0x1237, 0x8086, 0x1237)
AMD_ROOT_PORT = (0x1022, 0x14AB, 0x1022, 0x1453)
PEX_SWITCH = (0x1000, 0xC030, 0x1000, 0x100B)
AMAZON_SWITCH = (0x1D0F, 0x0200, 0x1D0F, 0x0200)
CONNECTX7 = (0x15B3, 0x1021, 0x15B3, 0x0040)
CONNECTX6_DX = (0x15B3, 0x101D, 0x15B3, 0x0016)
ENA = (0x1D0F, 0xEC20, 0x1D0F, 0xEC20)
NVSWITCH3 = (0x10DE, 0x22A3, 0x10DE, 0x1796)
NVSWITCH2 = (0x10DE, 0x1AF1, 0x10DE, 0x0000)

# Access control services: source validation, redirection of requests and completions, upstream forwarding.
ACS_ON = 0x1D

H100 = dict(name="NVIDIA H100 80GB HBM3", ids=(0x10DE, 0x2330, 0x10DE, 0x16C1), memory=81559 << 20, links=18, mb_per_s=26562)
A100 = dict(name="NVIDIA A100-SXM4-40GB", ids=(0x10DE, 0x20B0, 0x10DE, 0x134F), memory=40960 << 20, links=12, mb_per_s=25000)
L40S = dict(name="NVIDIA L40S", ids=(0x10DE, 0x26B9, 0x10DE, 0x1851), memory=46068 << 20, links=0, mb_per_s=0)

MODULES_RDMA = ("ib_core", "ib_uverbs", "rdma_ucm", "rdma_cm", "mlx5_core", "mlx5_ib")
MODULES_NVIDIA = ("nvidia_uvm", "nvidia_modeset", "nvidia_drm")

MLX5_COUNTERS = ("VL15_dropped", "excessive_buffer_overrun_errors", "link_downed", "link_error_recovery",
                 "local_link_integrity_errors", "port_rcv_constraint_errors", "port_rcv_errors",
                 "port_rcv_remote_physical_errors", "port_rcv_switch_relay_errors", "port_xmit_constraint_errors",
                 "port_xmit_discards", "port_xmit_wait", "symbol_error")
MLX5_TRAFFIC = ("port_rcv_data", "port_rcv_packets", "port_xmit_data", "port_xmit_packets", "unicast_rcv_packets",
                "unicast_xmit_packets", "multicast_rcv_packets", "multicast_xmit_packets")
MLX5_HW = ("duplicate_request", "implied_nak_seq_err", "local_ack_timeout_err", "out_of_buffer", "out_of_sequence",
           "packet_seq_err", "req_cqe_error", "req_remote_access_errors", "resp_cqe_error", "rnr_nak_retry_err",
           "roce_adp_retrans", "roce_adp_retrans_to", "roce_slow_restart", "rx_atomic_requests", "rx_icrc_encapsulated",
           "rx_read_requests", "rx_write_requests", "np_cnp_sent", "np_ecn_marked_roce_packets", "rp_cnp_handled",
           "rp_cnp_ignored")
EFA_HW = ("alloc_pd_err", "alloc_ucontext_err", "cmds_err", "completed_cmds", "create_ah_err", "create_cq_err",
          "create_qp_err", "keep_alive_rcvd", "lifespan", "mmap_err", "no_completion_cmds", "rdma_read_bytes",
          "rdma_read_resp_bytes", "rdma_read_wr_err", "rdma_read_wrs", "rdma_write_bytes", "rdma_write_recv_bytes",
          "rdma_write_wr_err", "rdma_write_wrs", "recv_bytes", "recv_wrs", "reg_mr_err", "rx_bytes", "rx_drops",
          "rx_pkts", "send_bytes", "send_wrs", "submitted_cmds", "tx_bytes", "tx_pkts")


# ---- devices


def gpu(m, address, kind, speed, switches=(), peers=(), fabric=None):
    """switches: PCI addresses of NVSwitches that the links go to, in turn."""
    index = len(m.gpus)
    links = [{"link": n, "active": True, "mb_per_s": kind["mb_per_s"],
              **({"remote": "switch", "remote_pci": f"0000{switches[n % len(switches)]}"} if switches else {})}
             for n in range(kind["links"])]
    m.gpus.append({"index": index, "name": kind["name"], "uuid": f"GPU-5d3c7d00-0000-4000-8000-{index:012x}",
                   "pci": f"0000{address}".upper(), "memory_bytes": kind["memory"], "mig": False, "nvlinks": links,
                   **({"fabric": fabric} if fabric else {})})
    return Pci(address, kind["ids"], GPU, speed, "nvidia", payload=256)


def nvswitch(address, ids, speed):
    return Pci(address, ids, SWITCH, speed, "nvidia-nvswitch")


def mlx5_counters(roce=False):
    return {"counters": {**dict.fromkeys(MLX5_COUNTERS, 0), **dict.fromkeys(MLX5_TRAFFIC, 123456789)},
            "hw_counters": {**dict.fromkeys(MLX5_HW, 0), "lifespan": 10}}


def mac(number):
    return f"a0:88:c2:00:{number >> 8:02x}:{number & 255:02x}"


def connectx_ib(address, name, number, net, speed, ids=CONNECTX7):
    """A ConnectX InfiniBand port with its IPoIB interface."""
    guid = 0xA088C20300000000 | number
    port = Port("InfiniBand", "400 Gb/sec (4X NDR)", lid=0x20 + number, gid_table=8, counters=mlx5_counters(),
                gids=[(0xFE80 << 112 | guid, "IB/RoCE v1", None)])
    files = dict(fw_ver="28.39.1002", hw_rev="0x0", hca_type="MT4129", board_id="MT_0000000838")
    ipoib = Net(net, f"00:00:10:49:fe:80:00:00:00:00:00:00:{bytes_of(guid)}", 4092, 400000, kind=32)
    return Pci(address, ids, INFINIBAND, speed, "mlx5_core", payload=512, net=[ipoib],
               rdma=Rdma(name, guid, [port], files=files), files=dict(sriov_totalvfs=16, sriov_numvfs=0))


def bytes_of(guid):
    return ":".join(f"{b:02x}" for b in guid.to_bytes(8, "big"))


def roce_gids(number, net, ipv4, types=("IB/RoCE v1", "RoCE v2")):
    """Link-local and IPv4-mapped addresses, each with each type."""
    local = 0xFE80 << 112 | 0xA288C2FFFE000000 | number
    mapped = 0xFFFF << 32 | int.from_bytes(bytes(int(b) for b in ipv4.split(".")), "big")
    return [(gid, kind, net) for gid in (local, mapped) for kind in types]


def connectx_roce(address, name, number, net, speed, gbit, ipv4, ids=CONNECTX7, up=True, mtu=9000,
                  types=("IB/RoCE v1", "RoCE v2"), board=("28.39.1002", "MT4129", "MT_0000000834")):
    """A ConnectX Ethernet port. Lossless: trust and priority flow control as vendor's drivers show them."""
    guid = 0xA088C20300000000 | number
    lanes = {400: "400 Gb/sec (4X NDR)", 200: "200 Gb/sec (4X HDR)", 100: "100 Gb/sec (4X EDR)"}[gbit]
    rate = lanes if up else "40 Gb/sec (4X QDR)"
    port = Port("Ethernet", rate, up, gid_table=16, gids=roce_gids(number, net, ipv4, types), counters=mlx5_counters())
    firmware, kind, board_id = board
    enabled = {f"ecn/{side}/enable/{priority}": 1 for side in ("roce_np", "roce_rp") for priority in range(8)}
    interface = Net(net, mac(number), mtu, gbit * 1000 if up else -1, "up" if up else "down",
                    files={"qos/trust": "dscp", "qos/pfc": "0 0 0 1 0 0 0 0", **enabled})
    return Pci(address, ids, ETHERNET, speed, "mlx5_core", payload=512, net=[interface],
               rdma=Rdma(name, guid, [port], files=dict(fw_ver=firmware, hw_rev="0x0", hca_type=kind, board_id=board_id)),
               files=dict(sriov_totalvfs=8, sriov_numvfs=0))


def efa(address, name, number, device, speed):
    gid = 0xFE80 << 112 | 0x04A1B2FFFE000000 | number
    port = Port("Unspecified", "100 Gb/sec (4X EDR)", gids=[(gid, "IB/RoCE v1", None)],
                counters={"hw_counters": {**dict.fromkeys(EFA_HW, 0), "lifespan": 10}})
    return Pci(address, (0x1D0F, device, 0x1D0F, device), ETHERNET, speed, "efa",
               rdma=Rdma(name, 0x04A1B2FFFE000000 | number, [port], "7: unspecified"))


def ena(address, net, number, speed=None, mtu=9001):
    return Pci(address, ENA, ETHERNET, speed, "ena", net=[Net(net, f"06:a1:b2:00:00:{number:02x}", mtu, -1)])


def nvme(address, speed):
    return Pci(address, (0x144D, 0xA824, 0x144D, 0xAA12), NVME, speed, "nvme")


def fabric_manager(m, switches):
    """NVSwitches as the system shows them, and the process that sets them up."""
    m.running("nv-fabricmanager")
    m.tree.raw("dev/nvidia-nvswitchctl", "", 0o666)
    for n in range(switches):
        m.tree.raw(f"dev/nvidia-nvswitch{n}", "", 0o600)


# ---- machines


def dgx_h100():
    cpu = Cpu("Intel(R) Xeon(R) Platinum 8480C", "GenuineIntel", 6, 143, packages=2, cores=56, threads=2,
              memory_gib=2048, l3_kib=107520)
    m = Machine("dgx-h100", "DGXH100", "NVIDIA", "5.15.0-1042-nvidia", "BOOT_IMAGE=/boot/vmlinuz-5.15.0-1042-nvidia "
                "root=/dev/md0 ro intel_iommu=on iommu=pt pci=realloc=off", cpu)
    m.iommu("identity", ("dmar0", "dmar1"))
    m.nvidia("535.129.03")
    m.loaded(*MODULES_RDMA, *MODULES_NVIDIA, nvidia="535.129.03", nvidia_peermem="535.129.03")
    m.tree.text("sys/kernel/mm/memory_peers/nv_mem/version", "535.129.03")
    m.tree.text("sys/module/nvidia_peermem/parameters/peerdirect_support", 0)
    m.versions.update({"libfabric": "1.17.0", "rdma-core": "44.0", "nccl": "2.28.9", "ucx": "1.15.0"})
    gen5 = Speed(5, 16)
    switches = [f"0000:{bus:02x}:00.0" for bus in (0x05, 0x06, 0x07, 0x08)]
    m.root("0000:00", 0, *(bridge(f"0000:00:{n:02x}.0", INTEL_ROOT_PORT, 4, [nvswitch(a, NVSWITCH3, Speed(4, 2))],
                                  Speed(4, 2), acs=0) for n, a in enumerate(switches, 0x10)))
    fabric = {"state": "completed", "status": 0, "cluster_uuid": "00000000-0000-0000-0000-000000000000", "clique": 0}
    # Bus of the host bridge; of the ConnectX and its name; of the GPU.
    places = ((0x15, 0x18, 0, 0x1B), (0x3D, 0x40, 3, 0x43), (0x4C, 0x4F, 4, 0x52), (0x5B, 0x5E, 5, 0x61),
              (0x97, 0x9A, 6, 0x9D), (0xBD, 0xC0, 9, 0xC3), (0xCB, 0xCE, 10, 0xD1), (0xD9, 0xDC, 11, 0xDF))
    storage = {0x26: (0x29, 1), 0xA7: (0xAA, 7)}
    for index, (root, nic, number, card) in enumerate(places):
        numa = 0 if index < 4 else 1
        hca = connectx_ib(f"0000:{nic:02x}:00.0", f"mlx5_{number}", number, f"ibp{nic}s0", gen5)
        accelerator = gpu(m, f"0000:{card:02x}:00.0", H100, gen5, switches, fabric=fabric)
        tree = switch(root + 1, PEX_SWITCH, [[hca], [accelerator]], gen5)
        m.root(f"0000:{root:02x}", numa, bridge(f"0000:{root:02x}:01.0", INTEL_ROOT_PORT, 4, [tree], gen5, acs=0))
        for bus, (slot, first) in list(storage.items()):
            if (bus < 0x80) == (numa == 0):
                functions = [connectx_roce(f"0000:{slot:02x}:00.{n}", f"mlx5_{first + n}", 0x100 + first + n,
                                           f"enp{slot}s0f{n}np{n}", gen5, 200, f"192.0.2.{10 + first + n}",
                                           board=("28.39.1002", "MT4129", "MT_0000000834")) for n in (0, 1)]
                m.root(f"0000:{bus:02x}", numa,
                       bridge(f"0000:{bus:02x}:01.0", INTEL_ROOT_PORT, 4, functions, gen5, acs=0))
                del storage[bus]
    fabric_manager(m, 4)
    return m


def roce_degraded():
    """One card in half a slot, the other without a cable; nothing set up for RDMA."""
    cpu = Cpu("AMD EPYC 7543 32-Core Processor", "AuthenticAMD", 25, 1, packages=1, cores=32, threads=2, memory_gib=256,
              l3_kib=32768, l3_cores=4, frequency_driver="acpi-cpufreq", idle_driver="acpi_idle",
              idle=(("POLL", 0, False), ("C1", 1, False)))
    m = Machine("roce-degraded", "R7525", "Dell Inc.", "5.15.0-89-generic",
                "BOOT_IMAGE=/boot/vmlinuz-5.15.0-89-generic root=/dev/sda2 ro quiet", cpu)
    m.process(memlock="65536")
    m.nvidia("535.129.03")
    m.loaded(*MODULES_RDMA, *MODULES_NVIDIA, nvidia="535.129.03")
    m.versions.update({"libfabric": "1.17.0", "rdma-core": "44.0", "ucx": "1.13.1"})
    gen4 = Speed(4, 16)
    card = ("22.38.1002", "MT4125", "MT_0000000359")
    nic0 = connectx_roce("0000:21:00.0", "mlx5_0", 0x200, "enp33s0np0", Speed(3, 8, 4, 16), 100, "192.0.2.20",
                         CONNECTX6_DX, mtu=1500, types=("IB/RoCE v1",), board=card)
    nic1 = connectx_roce("0000:81:00.0", "mlx5_1", 0x201, "enp129s0np0", gen4, 100, "192.0.2.21", CONNECTX6_DX,
                         up=False, mtu=1500, board=card)
    for number, function in enumerate((gpu(m, "0000:01:00.0", L40S, gen4), nic0, gpu(m, "0000:41:00.0", L40S, gen4), nic1)):
        root = f"0000:{number * 2:x}0"
        m.root(root, 0, bridge(f"{root}:03.1", AMD_ROOT_PORT, 4, [function], gen4 if function.bus != 0x21 else
                               Speed(3, 8, 4, 16), acs=0))
    return m


def ec2(name, cpu, kernel, environ):
    m = Machine(name, name, "Amazon EC2", kernel, f"BOOT_IMAGE=/boot/vmlinuz-{kernel} root=UUID=0 ro console=ttyS0", cpu)
    m.process(environ=environ)
    m.nvidia("535.129.03", open_modules=True)
    m.loaded("ib_core", "ib_uverbs", *MODULES_NVIDIA, nvidia="535.129.03", efa="2.6.0g", ena="2.10.0g", gdrdrv="2.4")
    m.versions.update({"libfabric": "1.22.0", "rdma-core": "52.0", "nccl": "2.28.9", "aws-ofi-nccl": "1.11.0"})
    return m


def p4d():
    cpu = Cpu("Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz", "GenuineIntel", 6, 85, packages=2, cores=24, threads=2,
              memory_gib=1152, l3_kib=36608,
              idle=(("POLL", 0, False), ("C1", 2, False), ("C1E", 10, False), ("C6", 133, True)))
    m = ec2("p4d.24xlarge", cpu, "5.15.0-1049-aws", {"FI_PROVIDER": "efa", "FI_EFA_USE_DEVICE_RDMA": "1",
                                                    "FI_EFA_FORK_SAFE": "1"})
    gen3 = Speed(3, 16)
    m.root("0000:00", -1, Pci("0000:00:00.0", INTEL_HOST, 0x060000),
           Pci("0000:00:03.0", (0x1D0F, 0x1111, 0x1D0F, 0x1111), 0x030000))
    switches = [f"0000:80:{n:02x}.0" for n in range(0x1A, 0x20)]
    for number, bus in enumerate((0x10, 0x20, 0x90, 0xA0)):
        m.root(f"0000:{bus:02x}", 0 if number < 2 else 1,
               ena(f"0000:{bus:02x}:{number:02x}.0", f"eth{number}", number),
               efa(f"0000:{bus:02x}:1b.0", f"rdmap{bus}s27", number, 0xEFA0, gen3),
               gpu(m, f"0000:{bus:02x}:1c.0", A100, gen3, switches),
               gpu(m, f"0000:{bus:02x}:1d.0", A100, gen3, switches),
               nvme(f"0000:{bus:02x}:1e.0", Speed(3, 4)), nvme(f"0000:{bus:02x}:1f.0", Speed(3, 4)))
    m.root("0000:80", 1, *(nvswitch(a, NVSWITCH2, Speed(2, 4)) for a in switches))
    fabric_manager(m, 6)
    return m


def p5():
    cpu = Cpu("AMD EPYC 7R13 Processor", "AuthenticAMD", 25, 1, packages=2, cores=48, threads=2, memory_gib=2048,
              l3_kib=32768, l3_cores=8, governor="", idle=())
    m = ec2("p5.48xlarge", cpu, "5.15.0-1049-aws", {"FI_PROVIDER": "efa", "FI_EFA_USE_DEVICE_RDMA": "1",
                                                   "FI_EFA_FORK_SAFE": "1"})
    m.root("0000:00", -1, Pci("0000:00:00.0", INTEL_HOST, 0x060000), ena("0000:00:05.0", "ens5", 1))
    gen5 = Speed(5, 16)
    switches = [f"0000:d8:{n:02x}.0" for n in range(4)]
    number = 0
    for index, first in enumerate((0x4F, 0x60, 0x71, 0x82, 0x93, 0xA4, 0xB5, 0xC6)):
        cards = []
        for bus in range(first, first + 4):
            cards.append([efa(f"0000:{bus:02x}:00.0", f"rdmap{bus}s0", number, 0xEFA2, Speed(4, 8))])
            number += 1
        accelerator = gpu(m, f"0000:{first + 4:02x}:00.0", H100, gen5, switches)
        root = first - 11
        m.root(f"0000:{root:02x}", index // 4, bridge(f"0000:{root:02x}:00.0", AMAZON_SWITCH, 4, [
            switch(first - 10, AMAZON_SWITCH, cards + [[accelerator]], gen5)], gen5, acs=0))
    m.root("0000:d8", 1, *(nvswitch(a, NVSWITCH3, Speed(4, 2)) for a in switches))
    fabric_manager(m, 4)
    return m


def acs_on():
    """GPU and card under one switch whose ports send peer traffic up to a translating IOMMU."""
    cpu = Cpu("AMD EPYC 9334 32-Core Processor", "AuthenticAMD", 25, 17, packages=2, cores=32, threads=2,
              memory_gib=768, l3_kib=32768, l3_cores=8, frequency_driver="acpi-cpufreq", idle_driver="acpi_idle",
              idle=(("POLL", 0, False), ("C1", 1, False)))
    m = Machine("acs-on", "AS-4125GS-TNRT", "Supermicro", "6.5.0-14-generic",
                "BOOT_IMAGE=/boot/vmlinuz-6.5.0-14-generic root=/dev/nvme0n1p2 ro amd_iommu=on iommu=nopt", cpu)
    m.iommu("DMA-FQ", ("ivhd0", "ivhd1"))
    m.nvidia("550.54.15", open_modules=True)
    m.loaded(*MODULES_RDMA, *MODULES_NVIDIA, nvidia="550.54.15", nvidia_peermem="550.54.15")
    m.versions.update({"libfabric": "1.20.1", "rdma-core": "50.0", "nccl": "2.28.9", "ucx": "1.16.0"})
    gen4, gen5 = Speed(4, 16), Speed(5, 16)
    for index, root in enumerate((0x00, 0x20, 0x80, 0xA0)):
        nic = connectx_roce(f"0000:{root + 4:02x}:00.0", f"mlx5_{index}", 0x300 + index, f"enp{root + 4}s0np0", gen5,
                            400, f"192.0.2.{40 + index}")
        accelerator = gpu(m, f"0000:{root + 3:02x}:00.0", L40S, gen4)
        m.root(f"0000:{root:02x}", index // 2, bridge(f"0000:{root:02x}:01.1", AMD_ROOT_PORT, 4, [
            switch(root + 1, PEX_SWITCH, [[accelerator], [nic]], gen5, acs=ACS_ON)], gen5, acs=ACS_ON))
    return m


def plain_vm():
    cpu = Cpu("AMD EPYC", "AuthenticAMD", 25, 1, packages=1, cores=2, threads=1, memory_gib=16, l3_kib=32768,
              governor="", idle=(), flags="fpu sse2 constant_tsc nonstop_tsc hypervisor")
    m = Machine("plain-vm", "KVM", "QEMU", "6.1.0-18-amd64", "BOOT_IMAGE=/boot/vmlinuz-6.1.0-18-amd64 root=/dev/vda1 ro", cpu)
    m.process(memlock="8388608")
    m.tree.texts("sys/devices/system/clocksource/clocksource0", current_clocksource="kvm-clock",
                 available_clocksource="kvm-clock tsc acpi_pm")
    m.versions.update({"libfabric": "1.17.0", "rdma-core": "44.0", "ucx": "1.13.1"})
    m.loaded("virtio_net", "virtio_pci")
    virtio = Pci("0000:00:02.0", (0x1AF4, 0x1041, 0x1AF4, 0x0040), ETHERNET, driver="virtio-pci")
    m.root("0000:00", -1, Pci("0000:00:00.0", (0x8086, 0x0D57, 0x8086, 0x0D57), 0x060000), virtio,
           Pci("0000:00:03.0", (0x1AF4, 0x1042, 0x1AF4, 0x0040), 0x018000, driver="virtio-pci"))
    m.virtio = "sys/devices/pci0000:00/0000:00:02.0/virtio0"
    m.place_net(m.virtio, virtio, Net("eth0", "52:54:00:00:00:02", 1500, -1))
    m.tree.folder("sys/bus/virtio/drivers/virtio_net")
    m.tree.link(f"{m.virtio}/driver", "sys/bus/virtio/drivers/virtio_net")
    m.tree.link(f"{m.virtio}/subsystem", "sys/bus/virtio")
    return m


MACHINES = {
    "dgx-h100": dgx_h100,
    "roce-degraded": roce_degraded,
    "p4d.24xlarge": p4d,
    "p5.48xlarge": p5,
    "acs-on": acs_on,
    "plain-vm": plain_vm,
}
