# SPDX-License-Identifier: Apache-2.0
"""Give the authors of Cog models their tracebacks back.

Cog's model server (coglet) reports an exception of a model as one sentence and throws the traceback away; it also
loses what a model printed in the last moments of its setup. This file stands in a folder of its own on PYTHONPATH of
an instance, so Python imports it at the start of every interpreter there. It waits for `cog.predictor` to be imported
and then wraps the function that loads the model, and through it the model's own functions, so that

- an exception in loading, setup, run or predict prints its traceback to standard error, from where the server takes it
  into the logs;
- the last prints of a setup arrive before the server stops listening to it, whether it succeeded or failed;
- defaults written as `Input(default=...)` reach the model as the plain value, also through decorators of the model's
  own, where coglet hands over its internal object.

All of this leans on private parts of Cog. So whatever goes wrong here is swallowed: then the model runs as without it.
"""

import sys

PREDICTOR_MODULE = "cog.predictor"

# Prints travel to the server through threads of this process. At the end of a setup they get at least this long, and
# then until they have nothing left to do, with a limit: a model may have threads of its own that never rest.
# A server whose model failed reads no further at all, hence more time there.
DRAIN_AFTER_FAILURE = (0.3, 2.0)
DRAIN_AFTER_SETUP = (0.02, 0.5)
QUIET_CHECKS = 3
CHECK_SECONDS = 0.005


def drain(at_least, at_most):
    """Give the threads that carry the prints away time to do so, also on a busy machine."""
    import time

    flush()
    limit = time.monotonic() + at_most
    time.sleep(at_least)
    quiet = 0
    while quiet < QUIET_CHECKS and time.monotonic() < limit:
        quiet = quiet + 1 if others_sleep() else 0
        time.sleep(CHECK_SECONDS)


def others_sleep():
    """Whether all other threads of this process wait for something. Where the system does not tell, they do."""
    import os
    import threading

    own = str(threading.get_native_id())
    try:
        for thread in os.listdir("/proc/self/task"):
            if thread != own and thread_state(thread) in ("R", "D"):
                return False
    except OSError:
        pass
    return True


def thread_state(thread):
    """The letter that the kernel gives: R runs or wants to, S sleeps."""
    try:
        with open(f"/proc/self/task/{thread}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def report(error, patience=None):
    """Print the traceback of an exception of the model.

    What is not an Exception (a cancellation, an exit) is the way things should go, and no mistake to report.
    """
    import traceback

    if isinstance(error, Exception):
        traceback.print_exception(type(error), error, without_shim(error.__traceback__), file=sys.stderr)
    if patience:
        drain(*patience)
    else:
        flush()


def without_shim(trace):
    """Leave out the frames of this file at the top: they mean nothing to the model's author."""
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def flush():
    """Hand over what the model printed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass


def plain_defaults(function):
    """Replace Cog's description of an input by the default that it describes, down through all decorators."""
    from cog.input import FieldInfo

    seen = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        defaults = getattr(function, "__defaults__", None)
        if defaults:
            function.__defaults__ = tuple(d.default if isinstance(d, FieldInfo) else d for d in defaults)
        function = getattr(function, "__wrapped__", None)


def reporting(function):
    """The same function, of the same kind, that reports its exceptions."""
    import functools
    import inspect

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            try:
                async for item in function(*args, **kwargs):
                    yield item
            except BaseException as error:
                report(error)
                raise

    elif inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            try:
                return await function(*args, **kwargs)
            except BaseException as error:
                report(error)
                raise

    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            try:
                return (yield from function(*args, **kwargs))
            except GeneratorExit:
                raise
            except BaseException as error:
                report(error)
                raise

    else:

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                report(error)
                raise

    return wrapper


def draining(function):
    """A setup that reports its exceptions, and waits a moment at its end until its prints have been read."""
    import functools
    import inspect

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                report(error, DRAIN_AFTER_FAILURE)
                raise
            drain(*DRAIN_AFTER_SETUP)
            return result

    else:

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                report(error, DRAIN_AFTER_FAILURE)
                raise
            drain(*DRAIN_AFTER_SETUP)
            return result

    return wrapper


def wrapped(function, wrap):
    """Wrap a function of the model, or leave it as it is where that does not work."""
    try:
        plain_defaults(function)
        return wrap(function)
    except Exception:
        return function


def wrap_model(model):
    """Wrap what Cog is going to call: a function itself, or the methods of the class that the model is made of."""
    import inspect

    if inspect.isfunction(model):
        return wrapped(model, reporting)
    for name, wrap in (("setup", draining), ("run", reporting), ("predict", reporting), ("train", reporting)):
        owner = owner_of(type(model), name)
        if owner is not None:
            setattr(owner, name, wrapped(owner.__dict__[name], wrap))
    return model


def owner_of(cls, name):
    """The class of the model's own that defines a method; Cog's base classes stay untouched."""
    import inspect

    for owner in cls.__mro__:
        if owner.__module__.partition(".")[0] == "cog":
            return None
        if inspect.isfunction(owner.__dict__.get(name)):
            return owner
    return None


def patch(module):
    """Replace the function that loads the model by one that reports and wraps."""
    load = module.load_predictor_from_ref

    def load_and_wrap(ref):
        try:
            model = load(ref)
        except BaseException as error:
            report(error, DRAIN_AFTER_FAILURE)
            raise
        try:
            return wrap_model(model)
        except Exception:
            return model

    module.load_predictor_from_ref = load_and_wrap


class PatchOnImport:
    """An import hook that lets `cog.predictor` be imported as always, and patches it then."""

    def __init__(self):
        self.searching = False

    def find_spec(self, name, path=None, target=None):
        """Find cog.predictor by the other hooks, and add a step to its loading."""
        if name != PREDICTOR_MODULE or self.searching:
            return None
        import importlib.util

        self.searching = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.searching = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_patch(module):
                execute(module)
                try:
                    patch(module)
                except Exception:
                    pass

            try:
                spec.loader.exec_module = execute_and_patch
            except Exception:
                pass
        return spec


sys.meta_path.insert(0, PatchOnImport())
