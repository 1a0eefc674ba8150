"""nova's driver whose servers are guests: containers of the server image, on the portal's container engine, without a network of its own.
A guest's eth0 is a veth whose other end is the port's tap in neutron's bridge, as for a virtual machine; its container engine's data folder is
a btrfs snapshot that already holds the node images. What exists is read from the container engine's labels, so nova-compute may end at any time."""
import hashlib
import ipaddress
import json
import os
import shutil
import subprocess

from oslo_concurrency import processutils
from oslo_log import log as logging

from nova import exception, utils
from nova.api.metadata import base as metadata
from nova.compute import power_state
from nova.virt import event, fake, hardware

LOG = logging.getLogger(__name__)
RIG = os.environ["RIG_ID"]
DISK = os.environ["RIG_DISK"]  # btrfs: base (subvolume), disk/<server> (its snapshots), seed/<server>, server-image (file)
LABEL = "portal.openstack"
# all but SYS_RESOURCE, which root may lack on this machine, and then --privileged fails
PRIVILEGES = ["--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined",
              "--security-opt=systempaths=unconfined", "--device-cgroup-rule=a *:* rwm", "--cgroupns=private"]


def sh(*command, ok=(0,), stdin=None):
    return processutils.execute(*command, check_exit_code=list(ok), process_input=stdin)[0]


def docker(*arguments, **options):
    return sh("docker", *arguments, **options)


def container(uuid):
    return f"guest-{uuid}"


class GuestDriver(fake.FakeDriver):
    """Nova's fake driver still answers for everything that the rig does not need: migration, snapshots, volumes."""
    vcpus = os.cpu_count()
    memory_mb = int(os.environ["RIG_MEMORY_MIB"])
    local_gb = shutil.disk_usage(DISK).total >> 30

    # What there is

    def init_host(self, host):
        super().init_host(host)
        for uuid, name in self._found():
            self.instances[uuid] = fake.FakeInstance(name, None, uuid)
        utils.spawn(self._watch)

    def _found(self):
        lines = docker("ps", "-a", "--filter", f"label={LABEL}={RIG}", "--filter", f"label={LABEL}.server",
                       "--format", f'{{{{.Label "{LABEL}.server"}}}} {{{{.Label "{LABEL}.name"}}}}')
        return [line.split() for line in lines.splitlines()]

    def _watch(self):
        """Tells nova at once when a guest ends by itself."""
        events = subprocess.Popen(["docker", "events", "--filter", f"label={LABEL}={RIG}", "--filter", "event=die",
                                   "--format", f'{{{{index .Actor.Attributes "{LABEL}.server"}}}}'], stdout=subprocess.PIPE)
        for line in events.stdout:
            uuid = line.decode().strip()
            if uuid:
                self.emit_event(event.LifecycleEvent(uuid, event.EVENT_LIFECYCLE_STOPPED))

    def list_instances(self):
        return [name for _, name in self._found()]

    def list_instance_uuids(self):
        return [uuid for uuid, _ in self._found()]

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        """One server may have more virtual processors than the machine has real ones, since those are shared, but not more memory."""
        super().update_provider_tree(provider_tree, nodename, allocations)
        inventory = provider_tree.data(nodename).inventory
        inventory["VCPU"]["max_unit"] = int(self.vcpus * inventory["VCPU"]["allocation_ratio"])
        provider_tree.update_inventory(nodename, inventory)

    def _state(self, uuid):
        try:
            return json.loads(docker("inspect", "-f", "{{json .State}}", container(uuid)))
        except processutils.ProcessExecutionError:
            raise exception.InstanceNotFound(instance_id=uuid)

    def get_info(self, instance, use_cache=True):
        state = self._state(instance.uuid)
        return hardware.InstanceInfo(
            state=power_state.PAUSED if state["Paused"] else power_state.RUNNING if state["Running"] else power_state.SHUTDOWN)

    def get_console_output(self, context, instance):
        out, err = processutils.execute("docker", "logs", "--tail", "2000", container(instance.uuid))
        return (out + err).encode("utf-8", "replace")

    # Life

    def spawn(self, context, instance, image_meta, injected_files, admin_password, allocations, network_info=None,
              block_device_info=None, power_on=True, accel_info=None):
        super().spawn(context, instance, image_meta, injected_files, admin_password, allocations, network_info, block_device_info, power_on)
        uuid = instance.uuid
        self._remove(uuid)  # left by an attempt that was cut short
        self._config_drive(instance, injected_files, admin_password, network_info)
        sh("btrfs", "subvolume", "snapshot", f"{DISK}/base", f"{DISK}/disk/{uuid}")
        addresses = [ip["address"] for vif in network_info or () for ip in vif.fixed_ips()]
        with open(f"{DISK}/server-image") as file:
            image = file.read().strip()
        docker("create", "--name", container(uuid), "--hostname", instance.hostname or instance.name, *PRIVILEGES,
               "--network=none", "--tmpfs=/run:exec,mode=755", "--log-opt=max-size=2m",
               f"--memory={instance.flavor.memory_mb}m", f"--cpus={min(instance.flavor.vcpus, os.cpu_count())}",
               "-v", f"{DISK}/disk/{uuid}:/var/lib/docker", "-v", f"{DISK}/seed/{uuid}:/var/lib/cloud/seed/config_drive:ro",
               "--label", f"{LABEL}={RIG}", "--label", f"{LABEL}.server={uuid}", "--label", f"{LABEL}.name={instance.name}",
               "--label", f"{LABEL}.addresses={','.join(addresses)}", image)
        if power_on:
            self._start(instance, network_info)

    def _config_drive(self, instance, injected_files, admin_password, network_info):
        """A folder, made by what nova makes the real one with."""
        drive = f"{DISK}/seed/{instance.uuid}"
        extra = {"admin_pass": admin_password} if admin_password else {}
        os.makedirs(drive, 0o700)
        data = metadata.InstanceMetadata(instance, content=injected_files, extra_md=extra, network_info=network_info)
        for path, content in data.metadata_for_config_drive():
            os.makedirs(os.path.dirname(f"{drive}/{path}"), exist_ok=True)
            with open(f"{drive}/{path}", "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)

    def _start(self, instance, network_info):
        docker("start", container(instance.uuid))
        self.plug_vifs(instance, network_info)

    def _stop(self, instance, seconds):
        docker("stop", "-t", str(seconds), container(instance.uuid))  # its veth and mounts go with its namespaces

    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True, destroy_secrets=True):
        super().destroy(context, instance, network_info, block_device_info, destroy_disks, destroy_secrets)
        self._remove(instance.uuid)

    def cleanup(self, context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None,
                destroy_vifs=True, destroy_secrets=True):
        self._remove(instance.uuid)

    @staticmethod
    def _remove(uuid):
        docker("rm", "-f", "-v", container(uuid), ok=(0, 1))
        if os.path.isdir(f"{DISK}/disk/{uuid}"):
            processutils.execute("btrfs", "subvolume", "delete", f"{DISK}/disk/{uuid}", attempts=5, delay_on_retry=True)
        shutil.rmtree(f"{DISK}/seed/{uuid}", ignore_errors=True)

    def power_off(self, instance, timeout=0, retry_interval=0):
        self._state(instance.uuid)
        self._stop(instance, min(timeout or 10, 20))

    def power_on(self, context, instance, network_info, block_device_info=None, accel_info=None):
        self._state(instance.uuid)
        self._start(instance, network_info)

    def reboot(self, context, instance, network_info, reboot_type, block_device_info=None, bad_volumes_callback=None, accel_info=None):
        self._stop(instance, 0 if reboot_type == "HARD" else 20)
        self._start(instance, network_info)

    def resume_state_on_host_boot(self, context, instance, network_info, block_device_info=None):
        self._start(instance, network_info)

    def pause(self, instance):
        docker("pause", container(instance.uuid))

    def unpause(self, instance):
        docker("unpause", container(instance.uuid))

    def suspend(self, context, instance):
        self.pause(instance)

    def resume(self, context, instance, network_info, block_device_info=None):
        self.unpause(instance)

    # Network

    def plug_vifs(self, instance, network_info):
        process = self._state(instance.uuid)["Pid"]
        for number, vif in enumerate(network_info or ()):
            if process and not os.path.exists(f"/sys/class/net/{self._tap(vif)}"):
                self._plug(process, vif, f"eth{number}")

    def unplug_vifs(self, instance, network_info):
        for vif in network_info or ():
            sh("ip", "link", "del", self._tap(vif), ok=(0, 1))

    @staticmethod
    def _tap(vif):
        return f"tap{vif['id'][:11]}"

    def _plug(self, process, vif, device):
        network, tap = vif["network"], self._tap(vif)
        bridge, mtu = network["bridge"], str(network.get_meta("mtu") or 1500)
        self._bridge(bridge, network["subnets"])
        sh("ip", "link", "add", tap, "mtu", mtu, "type", "veth",
           "peer", "name", device, "address", vif["address"], "mtu", mtu, "netns", str(process))
        sh("ip", "link", "set", tap, "master", bridge, "up")
        lines = ["link set lo up", f"link set {device} up"]
        for subnet in network["subnets"]:
            lines += [f"addr add {ip['address']}/{subnet['cidr'].split('/')[1]} dev {device}" for ip in subnet["ips"]]
            if device == "eth0" and (subnet.get("gateway") or {}).get("address"):
                lines.append(f"route add default via {subnet['gateway']['address']}")
        sh("nsenter", "-t", str(process), "-n", "ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def _bridge(self, bridge, subnets):
        """Makes the bridge if neutron's agent has not yet. The rig's namespace is every network's router: it has the gateway's address."""
        if not os.path.exists(f"/sys/class/net/{bridge}"):
            digest = hashlib.md5(bridge.encode()).hexdigest()
            mac = "02:" + ":".join(digest[i:i + 2] for i in range(0, 10, 2))  # fixed: otherwise it changes with every port
            sh("ip", "link", "add", bridge, "address", mac, "type", "bridge", ok=(0, 2))
        sh("ip", "link", "set", bridge, "up")
        there = [(a.get("local"), link["ifname"]) for link in json.loads(sh("ip", "-j", "-4", "addr")) for a in link["addr_info"]]
        for subnet in subnets:
            gateway = (subnet.get("gateway") or {}).get("address")
            if not gateway or ipaddress.ip_address(gateway).version == 6 or (gateway, bridge) in there:
                continue
            for other in [name for address, name in there if address == gateway]:
                if not other.startswith("brq") or any(p.startswith("tap") for p in os.listdir(f"/sys/class/net/{other}/brif")):
                    raise exception.NovaException(f"the rig routes for another network with gateway {gateway}: give the subnet its own range")
                sh("ip", "addr", "flush", "dev", other, ok=(0, 1))  # left from when neutron's agent was down
            sh("ip", "addr", "add", f"{gateway}/{subnet['cidr'].split('/')[1]}", "dev", bridge, ok=(0, 2))
