"""Replays a trace in wasmtime: as player.ts, for an engine without JavaScript. The job is the JSON of the first argument."""
import ctypes
import json
import sys
import time

from wasmtime import Engine, Instance, Module, Store

job = json.loads(sys.argv[1])
with open(job["file"], "rb") as file:
    data = file.read()
operations, slots, peak = (int.from_bytes(data[4 * i : 4 * i + 4], "little") for i in (2, 3, 4))
words = data[32:]


class TooSlow(Exception):
    pass


class Player:
    def __init__(self, engine, module):
        self.store = Store(engine)
        self.exports = Instance(self.store, module, []).exports(self.store)
        for name in ("_initialize", "__wasm_call_ctors"):
            if name in self.exports:
                self.exports[name](self.store)
                break
        if "reserve" in self.exports:
            self.exports["reserve"](self.store, peak + job["ring"], job["largest"])
        self.memory = self.exports["memory"]
        self.window = self.exports["window_start"].value(self.store)
        self.length = self.exports["window_operations"].value(self.store)
        self.replay = self.exports["replay"]

    def time(self):
        nanoseconds = 0
        for i in range(0, operations, self.length):
            n = min(operations - i, self.length)
            base = ctypes.addressof(self.memory.data_ptr(self.store).contents)
            ctypes.memmove(base + self.window, words[8 * i : 8 * (i + n)], 8 * n)
            before = time.process_time_ns()
            failed = self.replay(self.store, n)
            nanoseconds += time.process_time_ns() - before
            if failed:
                raise RuntimeError(f"{failed} allocations fail")
            if nanoseconds > job["most"]:
                raise TooSlow("not done in time")
        return nanoseconds / operations

    def drain(self):
        self.exports["drain"](self.store, slots)


engine = Engine()
modules = [(m["name"], Module.from_file(engine, m["file"])) for m in job["modules"]]
results = {name: {"name": name, "cold": [], "warm": []} for name, _ in modules}
for repetition in range(job["repetitions"]):
    for i in range(len(modules)):
        name, module = modules[(i + repetition) % len(modules)]
        result = results[name]
        if "fault" in result:
            continue
        try:
            player = Player(engine, module)
            result["cold"].append(player.time())
            player.drain()
            result["warm"].append(player.time())
        except Exception as error:
            result["fault"] = str(error).split("\n")[0]
print(json.dumps(list(results.values())))
