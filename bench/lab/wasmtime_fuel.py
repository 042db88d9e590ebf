"""Counts the instructions of a malloc and of a free. wasmtime takes one unit of fuel for each that it executes, and none for
those that only mark structure. The modules are the JSON of the first argument."""
import json
import sys

from wasmtime import Config, Engine, Global, GlobalType, Instance, Limits, Memory, MemoryType, Module, Store, Val, ValType

WARM_UP = 100
PLENTY = 10**9
SIZE = 32
config = Config()
config.consume_fuel = True
engine = Engine(config)


def instance_of(store, module):
    available = {
        "memory": lambda: Memory(store, MemoryType(Limits(1, None))),
        "__heap_base": lambda: Global(store, GlobalType(ValType.i32(), False), Val.i32(1024)),
    }
    return Instance(store, module, [available[wanted.name]() for wanted in module.imports]).exports(store)


def instructions(file):
    store = Store(engine)
    store.set_fuel(PLENTY)
    exports = instance_of(store, Module.from_file(engine, file))
    for name in ("_initialize", "__wasm_call_ctors"):
        if name in exports:
            exports[name](store)
            break

    def counted(function, argument):
        before = store.get_fuel()
        result = exports[function](store, argument)
        return result, before - store.get_fuel()

    counted("malloc", SIZE)  # stays, so that the heap is never empty
    for _ in range(WARM_UP):
        block, malloc = counted("malloc", SIZE)
        _, free = counted("free", block)
    return {"malloc": malloc, "free": free}


print(json.dumps([{"allocator": m["name"], **instructions(m["file"])} for m in json.loads(sys.argv[1])]))
