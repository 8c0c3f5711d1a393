"""How the parts of a machine look in /sys, /proc and /dev: one place for each part.

A Tree maps paths to texts, bytes, folders and links; Machine puts parts in it. Layouts are those of Linux 5.15.
"""

import json
import os
import struct

GEN = {1: "2.5", 2: "5.0", 3: "8.0", 4: "16.0", 5: "32.0", 6: "64.0"}

BRIDGE, ETHERNET, INFINIBAND, GPU, SWITCH, NVME = 0x060400, 0x020000, 0x020700, 0x030200, 0x068000, 0x010802


class Link(str):
    """What a symbolic link points to, as a path of the tree."""


class Tree:
    def __init__(self):
        self.entries = {}
        self.modes = {}

    def text(self, path, value):
        self.entries[path] = f"{value}\n"

    def texts(self, folder, **values):
        for name, value in values.items():
            self.text(f"{folder}/{name}", value)

    def raw(self, path, value, mode=None):
        self.entries[path] = value
        if mode is not None:
            self.modes[path] = mode

    def folder(self, path):
        self.entries.setdefault(path, None)

    def link(self, path, target):
        self.entries[path] = Link(target)

    def write(self, root):
        made = set()
        for path, value in self.entries.items():
            full = os.path.join(root, path)
            folder = full if value is None else os.path.dirname(full)
            if folder not in made:
                os.makedirs(folder, exist_ok=True)
                made.add(folder)
            if isinstance(value, Link):
                os.symlink(os.path.relpath(value, os.path.dirname(path)), full)
            elif value is not None:
                with open(full, "wb") as file:
                    file.write(value.encode() if isinstance(value, str) else value)
                if path in self.modes:
                    os.chmod(full, self.modes[path])


def mask(cpus, total):
    """As cpumap has it: groups of 32 bits, the highest first."""
    value = sum(1 << cpu for cpu in cpus)
    groups = max(1, (total + 31) // 32)
    return ",".join(f"{value >> 32 * g & 0xFFFFFFFF:08x}" for g in reversed(range(groups)))


def ranges(cpus):
    """ "0-3,8" """
    out, cpus = [], sorted(cpus)
    for cpu in cpus:
        if out and out[-1][1] == cpu - 1:
            out[-1][1] = cpu
        else:
            out.append([cpu, cpu])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in out)


# ---- PCI


class Speed:
    """Generation and width of a link, as it is and as it could be."""

    def __init__(self, gen, width, max_gen=None, max_width=None):
        self.gen, self.width = gen, width
        self.max_gen, self.max_width = max_gen or gen, max_width or width


class Pci:
    """A function: an endpoint, or with below a bridge. address: "0000:18:00.0"."""

    def __init__(self, address, ids, class_id, speed=None, driver="", below=None, kind=0, acs=None, payload=256,
                 rdma=None, net=(), files=None):
        self.address, self.ids, self.class_id = address, ids, class_id
        self.speed, self.driver, self.below = speed, driver, below
        self.kind = kind  # of the PCI Express capability: 0 endpoint, 4 root port, 5 upstream, 6 downstream
        self.acs = acs  # control bits where the function has the capability
        self.payload = payload
        self.rdma, self.net = rdma, net
        self.files = files or {}

    @property
    def bus(self):
        return int(self.address[5:7], 16)

    def buses(self):
        """Secondary and subordinate bus of a bridge."""
        first = min(child.bus for child in self.below)
        return first, max(child.buses()[1] if child.below else child.bus for child in self.below)

    def config(self):
        vendor, device, sub_vendor, sub_device = self.ids
        space = bytearray(4096 if self.speed else 256)
        struct.pack_into("<HHHH", space, 0, vendor, device, 0x0406, 0x0010)
        struct.pack_into("<I", space, 8, self.class_id << 8 | 0x01)
        space[0x0E] = 1 if self.below else 0
        if self.below:
            space[0x18], (space[0x19], space[0x1A]) = self.bus, self.buses()
        else:
            struct.pack_into("<HH", space, 0x2C, sub_vendor, sub_device)
        if self.speed:
            self.express(space)
        return bytes(space)

    def express(self, space):
        s = self.speed
        space[0x34] = 0x60
        payload_code = {128: 0, 256: 1, 512: 2, 1024: 3, 4096: 5}[self.payload]
        struct.pack_into("<BBH", space, 0x60, 0x10, 0, 0x2 | self.kind << 4)
        struct.pack_into("<IH", space, 0x64, 0x10008000 | 2, payload_code << 5 | 0x2810)
        struct.pack_into("<I", space, 0x6C, s.max_gen | s.max_width << 4)
        struct.pack_into("<H", space, 0x72, s.gen | s.width << 4)
        # Extended capabilities: advanced error reporting, then access control services.
        struct.pack_into("<I", space, 0x100, 0x0001 | 2 << 16 | (0x148 << 20 if self.acs is not None else 0))
        if self.acs is not None:
            struct.pack_into("<IHH", space, 0x148, 0x000D | 1 << 16, 0x005F, self.acs)


def bridge(address, ids, kind, below, speed, acs=None, payload=256):
    return Pci(address, ids, BRIDGE, speed, "pcieport", below, kind, acs, payload)


def switch(bus, ids, below, up, down=None, acs=0):
    """A PCI Express switch: upstream port on `bus`, a downstream port for each function group on the bus after it.

    below: lists of functions, one list a port. acs: control bits of the downstream ports."""
    ports = [
        bridge(f"0000:{bus + 1:02x}:{n:02x}.0", ids, 6, functions,
               (functions[0].speed if functions[0].speed else down or up), acs)
        for n, functions in enumerate(below)
    ]
    return bridge(f"0000:{bus:02x}:00.0", ids, 5, ports, up)


# ---- a machine


class Machine:
    def __init__(self, name, product, vendor, kernel, cmdline, cpu):
        self.name, self.tree, self.cpu = name, Tree(), cpu
        self.roots, self.groups = [], {}
        self.modules, self.gpus, self.versions = {}, [], {}
        self.nvml_driver = ""
        self.ifindex, self.uverbs = 1, 0
        self.proc_id = 1200
        t = self.tree
        t.texts("sys/devices/virtual/dmi/id", product_name=product, sys_vendor=vendor, board_vendor=vendor)
        t.link("sys/class/dmi/id", "sys/devices/virtual/dmi/id")
        t.text("proc/sys/kernel/osrelease", kernel)
        t.text("proc/sys/kernel/ostype", "Linux")
        t.text("proc/sys/kernel/hostname", name)
        t.text("proc/version", f"Linux version {kernel} (builder@example) (gcc 11.4.0) #1 SMP")
        t.text("proc/cmdline", cmdline)
        t.text("proc/filesystems", "nodev\tsysfs\nnodev\tcgroup2\n\text4")
        t.text("proc/mounts", "sysfs /sys sysfs rw 0 0\nproc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0")
        t.text("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids")
        self.processors()
        self.settings()
        self.process()
        t.texts("sys/devices/virtual/net/lo", **self.net_files("00:00:00:00:00:00", 65536, "unknown", 772, 1))
        t.link("sys/class/net/lo", "sys/devices/virtual/net/lo")
        t.folder("sys/class/infiniband")
        t.folder("sys/kernel/iommu_groups")
        t.folder("sys/class/iommu")

    # -- CPUs and memory

    def processors(self):
        t, c = self.tree, self.cpu
        total = c.packages * c.cores * c.threads
        base = "sys/devices/system/cpu"
        everything = ranges(range(total))
        t.texts(base, online=everything, possible=everything, present=everything, kernel_max=8191, offline="")
        per_package = {p: [cpu for cpu in range(total) if c.package(cpu) == p] for p in range(c.packages)}
        info = []
        for cpu in range(total):
            package, siblings = c.package(cpu), c.siblings(cpu)
            core = c.core(cpu)
            t.texts(f"{base}/cpu{cpu}/topology", physical_package_id=package, core_id=core, die_id=0,
                    thread_siblings=mask(siblings, total), thread_siblings_list=ranges(siblings),
                    core_siblings=mask(per_package[package], total), core_siblings_list=ranges(per_package[package]))
            if cpu:
                t.text(f"{base}/cpu{cpu}/online", 1)
            shared = c.sharing_l3(cpu)
            t.texts(f"{base}/cpu{cpu}/cache/index3", level=3, type="Unified", size=f"{c.l3_kib}K",
                    shared_cpu_map=mask(shared, total), shared_cpu_list=ranges(shared), coherency_line_size=64)
            if c.governor:
                t.texts(f"{base}/cpu{cpu}/cpufreq", scaling_governor=c.governor, scaling_driver=c.frequency_driver)
            for n, (state, latency_us, disabled) in enumerate(c.idle):
                t.texts(f"{base}/cpu{cpu}/cpuidle/state{n}", name=state, latency=latency_us, disable=int(disabled))
            info.append(f"processor\t: {cpu}\nvendor_id\t: {c.vendor}\ncpu family\t: {c.family}\nmodel\t\t: {c.model}\n"
                        f"model name\t: {c.name}\nphysical id\t: {package}\nsiblings\t: {c.cores * c.threads}\n"
                        f"core id\t\t: {core}\ncpu cores\t: {c.cores}\nflags\t\t: {c.flags}\n\n")
        t.raw("proc/cpuinfo", "".join(info))
        if c.idle:
            t.texts(f"{base}/cpuidle", current_driver=c.idle_driver, current_governor="menu")
        nodes = c.nodes()
        node_base = "sys/devices/system/node"
        t.texts(node_base, online=ranges(range(len(nodes))), possible=ranges(range(len(nodes))))
        memory_kib = c.memory_gib * 1024 * 1024
        for n, cpus in enumerate(nodes):
            t.texts(f"{node_base}/node{n}", cpumap=mask(cpus, total), cpulist=ranges(cpus),
                    distance=" ".join("10" if m == n else "21" for m in range(len(nodes))),
                    meminfo=f"Node {n} MemTotal:       {memory_kib // len(nodes)} kB\n"
                            f"Node {n} MemFree:        {memory_kib // len(nodes) * 9 // 10} kB")
            for cpu in cpus:
                t.link(f"{base}/cpu{cpu}/node{n}", f"{node_base}/node{n}")
                t.link(f"{node_base}/node{n}/cpu{cpu}", f"{base}/cpu{cpu}")
        t.text("proc/meminfo", f"MemTotal:       {memory_kib} kB\nMemFree:        {memory_kib * 9 // 10} kB\n"
                               f"MemAvailable:   {memory_kib * 9 // 10} kB\nSwapTotal:      0 kB\nSwapFree:       0 kB")

    def settings(self):
        t = self.tree
        t.text("proc/sys/kernel/numa_balancing", 0)
        t.text("proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority")
        t.texts("sys/devices/system/clocksource/clocksource0", current_clocksource="tsc",
                available_clocksource="tsc hpet acpi_pm")
        t.text("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never")

    # -- the process that would run wiremark

    def process(self, memlock="unlimited", environ=None, uid=1000):
        t = self.tree
        rows = [("Max cpu time", "unlimited", "unlimited", "seconds"),
                ("Max file size", "unlimited", "unlimited", "bytes"),
                ("Max stack size", "8388608", "unlimited", "bytes"),
                ("Max core file size", "0", "unlimited", "bytes"),
                ("Max processes", "4126832", "4126832", "processes"),
                ("Max open files", "1048576", "1048576", "files"),
                ("Max locked memory", memlock, memlock, "bytes"),
                ("Max address space", "unlimited", "unlimited", "bytes"),
                ("Max file locks", "unlimited", "unlimited", "locks")]
        lines = [f"{a:<26}{b:<21}{c:<21}{d:<10}" for a, b, c, d in [("Limit", "Soft Limit", "Hard Limit", "Units")] + rows]
        t.text("proc/self/limits", "\n".join(lines))
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/home/user", "LANG": "C.UTF-8", **(environ or {})}
        t.raw("proc/self/environ", "".join(f"{k}={v}\0" for k, v in variables.items()))
        t.text("proc/self/cgroup", "0::/user.slice")
        t.text("sys/fs/cgroup/user.slice/cpu.max", "max 100000")
        t.text("sys/fs/cgroup/user.slice/memory.max", "max")
        t.text("sys/fs/cgroup/user.slice/cpuset.cpus.effective", ranges(range(self.cpu.total())))
        t.text("proc/self/status", f"Name:\twiremark\nState:\tR (running)\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
                                   f"Gid:\t{uid}\t{uid}\t{uid}\t{uid}\nGroups:\t{uid}\n"
                                   f"CapEff:\t{'000001ffffffffff' if uid == 0 else '0000000000000000'}\n"
                                   f"Cpus_allowed_list:\t{ranges(range(self.cpu.total()))}")

    def running(self, name):
        """A process that is there."""
        self.proc_id += 11
        self.tree.text(f"proc/{self.proc_id}/comm", name[:15])
        self.tree.raw(f"proc/{self.proc_id}/cmdline", f"/usr/bin/{name}\0")

    def loaded(self, *names, **versions):
        """Kernel modules, with a version where they carry one."""
        for name in names + tuple(versions):
            self.modules[name] = versions.get(name, "")

    # -- PCI

    def root(self, bus, numa, *children):
        """A host bridge: `bus` is "0000:15"; numa -1: the firmware does not say."""
        self.roots.append((bus, numa, children))

    def place_root(self, bus, numa, children):
        base = f"sys/devices/pci{bus}"
        self.tree.texts(f"{base}/pci_bus/{bus}", cpulistaffinity=self.cpu_list(numa))
        self.tree.link(f"sys/class/pci_bus/{bus}", f"{base}/pci_bus/{bus}")
        for child in children:
            self.place(base, child, numa)

    def cpu_list(self, numa):
        return ranges(self.cpu.nodes()[numa] if numa >= 0 else range(self.cpu.total()))

    def place(self, parent, f, numa):
        t = self.tree
        path = f"{parent}/{f.address}"
        vendor, device, sub_vendor, sub_device = f.ids
        cpus = self.cpu.nodes()[numa] if numa >= 0 else range(self.cpu.total())
        t.texts(path, vendor=f"0x{vendor:04x}", device=f"0x{device:04x}", **{"class": f"0x{f.class_id:06x}"},
                subsystem_vendor=f"0x{sub_vendor:04x}", subsystem_device=f"0x{sub_device:04x}", revision="0x01",
                numa_node=numa, local_cpus=mask(cpus, self.cpu.total()), local_cpulist=ranges(cpus), enable=1,
                uevent=f"DRIVER={f.driver}\nPCI_CLASS={f.class_id:X}\nPCI_ID={vendor:04X}:{device:04X}\n"
                       f"PCI_SLOT_NAME={f.address}")
        if f.speed:
            s = f.speed
            t.texts(path, current_link_speed=f"{GEN[s.gen]} GT/s PCIe", current_link_width=s.width,
                    max_link_speed=f"{GEN[s.max_gen]} GT/s PCIe", max_link_width=s.max_width)
        t.raw(f"{path}/config", f.config())
        t.link(f"{path}/subsystem", "sys/bus/pci")
        t.link(f"sys/bus/pci/devices/{f.address}", path)
        if f.driver:
            t.folder(f"sys/bus/pci/drivers/{f.driver}")
            t.link(f"{path}/driver", f"sys/bus/pci/drivers/{f.driver}")
            t.link(f"sys/bus/pci/drivers/{f.driver}/{f.address}", path)
        if self.groups:
            self.place_group(path, f)
        for name, value in f.files.items():
            t.text(f"{path}/{name}", value)
        if f.rdma:
            self.place_rdma(path, f)
        for net in f.net:
            self.place_net(path, f, net)
        for child in f.below or ():
            self.place(path, child, numa)

    def place_group(self, path, f):
        group = self.groups["next"]
        self.groups["next"] += 1
        base = f"sys/kernel/iommu_groups/{group}"
        self.tree.text(f"{base}/type", self.groups["type"])
        self.tree.link(f"{base}/devices/{f.address}", path)
        self.tree.link(f"{path}/iommu_group", base)

    def iommu(self, kind, units=("dmar0",)):
        """kind: "identity" (addresses pass through), "DMA" or "DMA-FQ" (translated)."""
        self.groups = {"type": kind, "next": 0}
        for unit in units:
            self.tree.folder(f"sys/devices/virtual/iommu/{unit}/devices")
            self.tree.link(f"sys/class/iommu/{unit}", f"sys/devices/virtual/iommu/{unit}")

    # -- networks

    def net_files(self, address, mtu, state, kind, index, speed=None):
        files = dict(address=address, mtu=mtu, operstate=state, type=kind, ifindex=index, iflink=index, dev_port=0,
                     dev_id="0x0", flags="0x1003" if state != "down" else "0x1002", tx_queue_len=1000)
        if state != "down":
            files["carrier"] = 1
        if speed is not None:
            files["speed"] = speed
            files["duplex"] = "full" if speed > 0 else "unknown"
        return files

    def place_net(self, device, f, net):
        t = self.tree
        self.ifindex += 1
        path = f"{device}/net/{net.name}"
        t.texts(path, **self.net_files(net.address, net.mtu, net.state, net.kind, self.ifindex, net.speed),
                uevent=f"INTERFACE={net.name}\nIFINDEX={self.ifindex}")
        t.link(f"{path}/device", device)
        t.link(f"{path}/subsystem", "sys/class/net")
        t.link(f"sys/class/net/{net.name}", path)
        busy = 0 if net.state == "down" else 1
        for way in ("rx", "tx"):
            t.texts(f"{path}/statistics", **{f"{way}_bytes": 812345678 * busy, f"{way}_packets": 912345 * busy,
                                             f"{way}_errors": 0, f"{way}_dropped": 0})
        for name, value in net.files.items():
            t.text(f"{path}/{name}", value)

    def place_rdma(self, device, f):
        t, r = self.tree, f.rdma
        path = f"{device}/infiniband/{r.name}"
        t.texts(path, node_type=r.node_type, node_guid=colons(r.guid), sys_image_guid=colons(r.guid & ~0xFF),
                node_desc=f"{self.name} {r.name}", **r.files)
        t.link(f"{path}/device", device)
        t.link(f"{path}/subsystem", "sys/class/infiniband")
        t.link(f"sys/class/infiniband/{r.name}", path)
        for number, port in enumerate(r.ports, 1):
            self.place_port(f"{path}/ports/{number}", port)
        verbs = f"uverbs{self.uverbs}"
        t.texts(f"{device}/infiniband_verbs/{verbs}", ibdev=r.name, abi_version=1, dev=f"231:{192 + self.uverbs}")
        t.link(f"{device}/infiniband_verbs/{verbs}/device", device)
        t.link(f"sys/class/infiniband_verbs/{verbs}", f"{device}/infiniband_verbs/{verbs}")
        t.raw(f"dev/infiniband/{verbs}", "", 0o666)
        self.uverbs += 1

    def place_port(self, path, port):
        t = self.tree
        t.texts(path, state=port.state, phys_state=port.phys_state, rate=port.rate, link_layer=port.link_layer,
                lid=f"0x{port.lid:x}", sm_lid=f"0x{1 if port.lid else 0:x}", lid_mask_count=0, sm_sl=0,
                cap_mask="0xa651e848")
        t.text(f"{path}/pkeys/0", "0xffff")
        for index in range(max(len(port.gids), port.gid_table)):
            gid, kind, net = port.gids[index] if index < len(port.gids) else (0, None, None)
            t.text(f"{path}/gids/{index}", colons(gid, 128))
            if kind:
                t.text(f"{path}/gid_attrs/types/{index}", kind)
            if net:
                t.text(f"{path}/gid_attrs/ndevs/{index}", net)
        for folder, counters in port.counters.items():
            t.texts(f"{path}/{folder}", **counters)

    # -- NVIDIA

    def nvidia(self, driver, open_modules=False):
        t = self.tree
        self.nvml_driver = driver
        kind = "Open Kernel Module for x86_64" if open_modules else "x86_64 Kernel Module"
        t.text("proc/driver/nvidia/version", f"NVRM version: NVIDIA UNIX {kind}  {driver}  Thu Oct 19 18:56:32 UTC 2023\n"
                                             "GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04)")
        t.text("proc/driver/nvidia/params", "EnablePCIeRelaxedOrderingMode: 0\nGrdmaPciTopoCheckOverride: 0\nRegistryDwords: \"\"")
        for name in ("nvidiactl", "nvidia-uvm"):
            t.raw(f"dev/{name}", "", 0o666)

    def gpu_info(self):
        t = self.tree
        for index, gpu in enumerate(self.gpus):
            t.raw(f"dev/nvidia{index}", "", 0o666)
            t.text(f"proc/driver/nvidia/gpus/{gpu['pci'][4:].lower()}/information",
                   f"Model: \t\t {gpu['name']}\nIRQ:   \t\t 255\nGPU UUID: \t {gpu['uuid']}\n"
                   f"Bus Type: \t PCIe\nBus Location: \t {gpu['pci'][4:].lower()}\nDevice Minor: \t {index}\n"
                   "GPU Excluded:\t No")

    # -- all of it

    def finish(self):
        t = self.tree
        for bus, numa, children in self.roots:
            self.place_root(bus, numa, children)
        t.folder("sys/bus/pci/devices")
        if self.gpus or self.nvml_driver:
            self.gpu_info()
            t.text("nvml.json", json.dumps({"driver": self.nvml_driver, "gpus": self.gpus}, indent=1))
        if self.uverbs:
            t.raw("dev/infiniband/rdma_cm", "", 0o666)
            t.text("sys/class/infiniband_verbs/abi_version", 6)
        lines = []
        for name, version in self.modules.items():
            t.texts(f"sys/module/{name}", initstate="live", refcnt=0, **({"version": version} if version else {}))
            lines.append(f"{name} 262144 0 - Live 0x0000000000000000")
        t.text("proc/modules", "\n".join(lines))
        t.text("versions", "\n".join(f"{k} {v}" for k, v in self.versions.items()))
        return t


def colons(value, bits=64):
    """ "a088:c203:00aa:0001" """
    text = f"{value:0{bits // 4}x}"
    return ":".join(text[i:i + 4] for i in range(0, len(text), 4))


class Cpu:
    """Processors, all packages alike; threads of a core are numbered as x86 firmware does, the second ones last."""

    def __init__(self, name, vendor, family, model, packages, cores, threads, memory_gib, l3_kib, l3_cores=None,
                 nodes_per_package=1, governor="performance", frequency_driver="intel_pstate", idle_driver="intel_idle",
                 idle=(("POLL", 0, False), ("C1", 1, False), ("C1E", 2, False), ("C6", 290, True)), flags="fpu sse2 constant_tsc nonstop_tsc"):
        self.name, self.vendor, self.family, self.model = name, vendor, family, model
        self.packages, self.cores, self.threads = packages, cores, threads
        self.memory_gib, self.l3_kib, self.l3_cores = memory_gib, l3_kib, l3_cores or cores
        self.nodes_per_package = nodes_per_package
        self.governor, self.frequency_driver, self.idle_driver, self.idle = governor, frequency_driver, idle_driver, idle
        self.flags = flags

    def total(self):
        return self.packages * self.cores * self.threads

    def place(self, cpu):
        """Number of the core over all packages."""
        return cpu % (self.packages * self.cores)

    def package(self, cpu):
        return self.place(cpu) // self.cores

    def core(self, cpu):
        return self.place(cpu) % self.cores

    def siblings(self, cpu):
        return [self.place(cpu) + t * self.packages * self.cores for t in range(self.threads)]

    def sharing_l3(self, cpu):
        group = self.place(cpu) // self.l3_cores
        return [c for c in range(self.total()) if self.place(c) // self.l3_cores == group]

    def nodes(self):
        size = self.cores // self.nodes_per_package
        count = self.packages * self.nodes_per_package
        return [[c for c in range(self.total()) if self.place(c) // size == n] for n in range(count)]


class Net:
    def __init__(self, name, address, mtu, speed, state="up", kind=1, files=None):
        self.name, self.address, self.mtu, self.speed = name, address, mtu, speed
        self.state, self.kind, self.files = state, kind, files or {}


class Rdma:
    def __init__(self, name, guid, ports, node_type="1: CA", files=None):
        self.name, self.guid, self.ports, self.node_type, self.files = name, guid, ports, node_type, files or {}


class Port:
    def __init__(self, link_layer, rate, up=True, gids=(), gid_table=0, lid=0, counters=None,
                 state=None, phys_state=None):
        self.link_layer, self.rate, self.gids, self.gid_table, self.lid = link_layer, rate, gids, gid_table, lid
        self.state = state or ("4: ACTIVE" if up else "1: DOWN")
        self.phys_state = phys_state or ("5: LinkUp" if up else "3: Disabled")
        self.counters = counters or {}
