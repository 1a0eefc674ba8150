"""Makes shutil and psutil report the node's limits instead of the host's resources.

Loaded at the start of every Python process by limits_in_python.pth, so it imports almost nothing and patches the two modules when they are imported.
"""
import sys


def _shutil(module):
    def disk_usage(path):
        import node_limits
        return module._ntuple_diskusage(*node_limits.space(path))

    _put(module, disk_usage)


def _psutil(module):
    import node_limits
    of_host = {name: getattr(module, name) for name in ("cpu_count", "virtual_memory", "disk_usage")}

    def cpu_count(logical=True):
        return node_limits.cpus() or of_host["cpu_count"](logical)

    def virtual_memory():
        said, limit = of_host["virtual_memory"](), node_limits.memory()
        if limit is None or limit.total >= said.total:
            return said
        parts = {"total": limit.total, "available": limit.available, "percent": round(100 * limit.used / limit.total, 1),
                 "used": limit.used, "free": limit.free, "cached": limit.cached, "shared": limit.shared, "buffers": 0}
        return said._replace(**{name: value for name, value in parts.items() if name in said._fields})

    def disk_usage(path):
        total, used, free = node_limits.space(path)
        return of_host["disk_usage"](path)._replace(total=total, used=used, free=free, percent=round(100 * used / (used + free or 1), 1))

    _put(module, cpu_count, virtual_memory, disk_usage)


def _put(module, *functions):
    for function in functions:
        function.__doc__ = getattr(module, function.__name__).__doc__
        setattr(module, function.__name__, function)


CHANGES = {"shutil": _shutil, "psutil": _psutil}


class Changed:
    """Loads a module with its own loader and then patches it."""

    def __init__(self, loader, change):
        self.loader, self.change = loader, change

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.change(module)


class Finder:
    def find_spec(self, name, path=None, target=None):
        change = CHANGES.pop(name, None)
        for finder in sys.meta_path if change else ():
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None and spec.loader is not None:
                spec.loader = Changed(spec.loader, change)
                return spec
        return None


for there in [name for name in CHANGES if name in sys.modules]:
    CHANGES.pop(there)(sys.modules[there])
sys.meta_path.insert(0, Finder())
