"""Start-up of every interpreter that run.py starts, and of every
Python process that a test starts in turn (through a sitecustomize module).

In this order: stand-ins for what newer Pythons removed (so that old suites
run), the --setup code (which may alias `tornado`), and a finder that serves
`tornado.test` from the unpacked upstream suite. Configured by the JSON file
named in the environment variable UPSTREAM_BOOT.
"""

import ast
import importlib.machinery
import importlib.util
import json
import os
import re
import sys

config = {}
error = None  # traceback of the setup code, where it failed
missing = []  # tornado names that the suite imports and the package lacks
importing = 0  # depth of suite modules being executed


# ---------------------------------------------------------------------------
# what newer Pythons removed


def install_shims():
    import collections
    import collections.abc

    for name in collections.abc.__all__:
        if name not in vars(collections):
            setattr(collections, name, getattr(collections.abc, name))

    import inspect

    if not hasattr(inspect, "getargspec"):
        ArgSpec = collections.namedtuple("ArgSpec", "args varargs keywords defaults")

        def getargspec(func):
            s = inspect.getfullargspec(func)
            return ArgSpec(s.args, s.varargs, s.varkw, s.defaults)

        inspect.getargspec = getargspec
        inspect.ArgSpec = ArgSpec

    import unittest

    aliases = {
        "failUnlessEqual": "assertEqual",
        "assertEquals": "assertEqual",
        "failIfEqual": "assertNotEqual",
        "assertNotEquals": "assertNotEqual",
        "failUnless": "assertTrue",
        "assert_": "assertTrue",
        "failIf": "assertFalse",
        "failUnlessRaises": "assertRaises",
        "assertRaisesRegexp": "assertRaisesRegex",
        "assertRegexpMatches": "assertRegex",
        "assertNotRegexpMatches": "assertNotRegex",
        "assertItemsEqual": "assertCountEqual",
        "assertAlmostEquals": "assertAlmostEqual",
        "assertNotAlmostEquals": "assertNotAlmostEqual",
    }
    for old, new in aliases.items():
        # Also replaces the deprecated methods that warn, where they remain.
        setattr(unittest.TestCase, old, getattr(unittest.TestCase, new))
    if not hasattr(unittest, "makeSuite"):

        def makeSuite(cls, prefix="test", *args, **kwargs):
            loader = unittest.TestLoader()
            loader.testMethodPrefix = prefix
            return loader.loadTestsFromTestCase(cls)

        unittest.makeSuite = makeSuite

    import threading
    import time

    if not hasattr(time, "clock"):
        time.clock = time.perf_counter
    if not hasattr(threading.Thread, "isAlive"):
        threading.Thread.isAlive = threading.Thread.is_alive
    lazy_shims()


def lazy_shims():
    """Shims of modules that are dear to import: applied when (and if) the
    process imports them."""
    pending = {
        "asyncio": shim_asyncio,
        "ssl": shim_ssl,
        # Its submodules load on first use since 3.7; old code expects them.
        "concurrent.futures": lambda m: (m.ThreadPoolExecutor, m.ProcessPoolExecutor),
    }
    for name in list(pending):
        if name in sys.modules:
            pending.pop(name)(sys.modules[name])

    class Finder:
        @staticmethod
        def find_spec(fullname, path=None, target=None):
            patch = pending.get(fullname)
            if patch is None:
                return None
            del pending[fullname]
            spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
            if spec is None or spec.loader is None:
                return spec
            loader = spec.loader
            exec_module = loader.exec_module

            def patched(module):
                exec_module(module)
                patch(module)

            try:
                loader.exec_module = patched
            except AttributeError:
                pass  # a built-in module, whose loader cannot be patched
            return spec

    if pending:
        sys.meta_path.insert(0, Finder)


def shim_asyncio(asyncio):
    if not hasattr(asyncio, "coroutine"):
        import functools
        import inspect
        import types

        def coroutine(func):
            if inspect.iscoroutinefunction(func):
                return func
            if inspect.isgeneratorfunction(func):
                made = types.coroutine(func)
            else:

                @functools.wraps(func)
                def inner(*args, **kwargs):
                    res = func(*args, **kwargs)
                    if inspect.isawaitable(res) or inspect.isgenerator(res):
                        res = yield from res
                    return res

                made = functools.wraps(func)(types.coroutine(inner))
            try:
                made._is_coroutine = asyncio.coroutines._is_coroutine
            except AttributeError:
                pass  # gone from this Python, which then asks nobody for it
            return made

        asyncio.coroutine = coroutine
    if not hasattr(asyncio, "async"):
        setattr(asyncio, "async", asyncio.ensure_future)
    if not hasattr(asyncio, "JoinableQueue") and hasattr(asyncio, "Queue"):
        asyncio.JoinableQueue = asyncio.Queue
    for name in ("all_tasks", "current_task"):
        if hasattr(asyncio, name):
            for cls in {asyncio.Task, getattr(asyncio.tasks, "_PyTask", asyncio.Task)}:
                if not hasattr(cls, name):
                    try:
                        setattr(cls, name, staticmethod(getattr(asyncio, name)))
                    except TypeError:
                        pass  # the C class takes no attributes


def shim_ssl(ssl):
    if not hasattr(ssl, "match_hostname"):

        def match_hostname(cert, hostname):
            names = [v for k, v in cert.get("subjectAltName", ()) if k == "DNS"]
            if hostname not in names:
                raise ssl.CertificateError(f"{hostname!r} doesn't match {names!r}")

        ssl.match_hostname = match_hostname
    if not hasattr(ssl, "wrap_socket"):

        def wrap_socket(
            sock,
            keyfile=None,
            certfile=None,
            server_side=False,
            cert_reqs=ssl.CERT_NONE,
            ssl_version=None,
            ca_certs=None,
            do_handshake_on_connect=True,
            suppress_ragged_eofs=True,
            ciphers=None,
        ):
            context = ssl.SSLContext(
                ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
            )
            context.check_hostname = False
            context.verify_mode = cert_reqs
            if ca_certs:
                context.load_verify_locations(ca_certs)
            if certfile:
                context.load_cert_chain(certfile, keyfile)
            if ciphers:
                context.set_ciphers(ciphers)
            return context.wrap_socket(
                sock,
                server_side=server_side,
                do_handshake_on_connect=do_handshake_on_connect,
                suppress_ragged_eofs=suppress_ragged_eofs,
            )

        ssl.wrap_socket = wrap_socket


# ---------------------------------------------------------------------------
# names that the suite imports and the package lacks


class MissingName(Exception):
    pass


class Missing:
    """Stands for a name that the package under test lacks, so that the tests
    of a module that do not use the name still run. While a suite module is
    being executed it can be called, subclassed and used as a decorator; after
    that any use raises MissingName."""

    def __init__(self, name):
        self.__dict__["_missing"] = name

    def _fail(self):
        raise MissingName(self._missing)

    def __call__(self, *args, **kwargs):
        if not importing:
            self._fail()
        if len(args) == 1 and not kwargs:
            if isinstance(args[0], type):
                return args[0]
            if callable(args[0]) and not isinstance(args[0], Missing):
                func = args[0]

                def missing_decorator(*a, **k):
                    raise MissingName(self._missing)

                missing_decorator.__name__ = getattr(func, "__name__", "missing")
                missing_decorator.__doc__ = None
                return missing_decorator
        return Missing(self._missing + "()")

    def __getattr__(self, attr):
        if attr.startswith("__") and attr.endswith("__"):
            raise AttributeError(attr)
        if not importing:
            self._fail()
        return Missing(self._missing + "." + attr)

    def __mro_entries__(self, bases):
        name = self._missing

        class MissingBase:
            def __init__(self, *args, **kwargs):
                raise MissingName(name)

        return (MissingBase,)

    def _operator(self, other):
        if not importing:
            self._fail()
        return self

    __add__ = __radd__ = __or__ = __ror__ = __getitem__ = _operator

    def __enter__(self):
        self._fail()

    def __exit__(self, *exc):
        return False

    def __iter__(self):
        self._fail()

    def __bool__(self):
        return False

    def __eq__(self, other):
        if importing:
            return False
        self._fail()

    def __hash__(self):
        return id(self)

    def __repr__(self):
        return f"<missing {self._missing}>"


def _missing_name(module, name):
    full = module + "." + name
    if full not in missing:
        missing.append(full)
    if name == "PY3":
        return True
    return Missing(full)


def _getattr(obj, name):
    """obj.name in a decorator or a list of base classes of the suite."""
    try:
        return getattr(obj, name)
    except AttributeError:
        module = getattr(obj, "__name__", "")
        if importing and isinstance(obj, type(sys)) and module:
            return _missing_name(module, name)
        raise


class _Decorators(ast.NodeTransformer):
    """Lets `@module.name` and `class X(module.name)` pass at import time where
    the module lacks the name."""

    def change(self, node):
        if isinstance(node, ast.Call):
            node.func = self.change(node.func)
            return node
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return ast.copy_location(
                ast.Call(
                    func=ast.Name(id="__upstream_getattr__", ctx=ast.Load()),
                    args=[node.value, ast.parse(repr(node.attr), mode="eval").body],
                    keywords=[],
                ),
                node,
            )
        return node

    def visit_FunctionDef(self, node):
        node.decorator_list = [self.change(d) for d in node.decorator_list]
        self.generic_visit(node)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        node.bases = [self.change(b) for b in node.bases]
        return self.visit_FunctionDef(node)


class _Imports(ast.NodeTransformer):
    """Rewrites top level `from tornado.x import a, b` so that each name that
    is not there becomes a Missing object."""

    def visit_FunctionDef(self, node):
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Try(self, node):
        # Left alone where the suite itself copes with the import failing.
        if node.handlers and all(
            any(isinstance(s, ast.Raise) for s in h.body) for h in node.handlers
        ):
            self.generic_visit(node)
        return node

    def visit_Import(self, node):
        out = []
        for alias in node.names:
            if not alias.name.startswith("tornado.") or alias.name.startswith("tornado.test"):
                out.append(ast.copy_location(ast.Import([alias]), node))
                continue
            text = "try:\n import {m}{a}\nexcept ImportError:\n {f}\n".format(
                m=alias.name,
                a=" as " + alias.asname if alias.asname else "",
                f=f"{alias.asname} = __upstream_missing__('tornado', {alias.name[8:]!r})"
                if alias.asname
                else f"import tornado; __upstream_missing__('tornado', {alias.name[8:]!r})",
            )
            for stmt in ast.parse(text).body:
                self.place(stmt, node)
                out.append(stmt)
        return out

    @staticmethod
    def place(tree, node):
        for sub in ast.walk(tree):
            if hasattr(sub, "lineno"):
                sub.lineno = node.lineno
                sub.col_offset = 0
                if hasattr(sub, "end_lineno"):
                    sub.end_lineno = node.lineno
                    sub.end_col_offset = 0

    def visit_ImportFrom(self, node):
        module = node.module or ""
        if node.level or not (module == "tornado" or module.startswith("tornado.")):
            return node
        if module == "tornado.test" or module.startswith("tornado.test."):
            return node
        out = []
        for alias in node.names:
            if alias.name == "*":
                return node
            target = alias.asname or alias.name
            text = (
                f"try:\n from {module} import {alias.name} as {target}\n"
                f"except ImportError:\n"
                f" {target} = __upstream_missing__({module!r}, {alias.name!r})\n"
            )
            for stmt in ast.parse(text).body:
                self.place(stmt, node)
                out.append(stmt)
        return out


# ---------------------------------------------------------------------------
# the finder of tornado.test

# Source changes for syntax that newer Pythons refuse: (pattern, replacement).
SOURCE_PATCHES = [
    (re.compile(r"\basyncio\.async\b"), "getattr(asyncio, 'async')"),
]


class SuiteLoader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname):
        # Never from or to a bytecode file: the source is changed on the way.
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(self, data, path, *, _optimize=-1):
        text = importlib.util.decode_source(data)
        for pattern, replacement in SOURCE_PATCHES:
            text = pattern.sub(replacement, text)
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, path)
            if config.get("lenient_imports", True):
                tree = _Decorators().visit(_Imports().visit(tree))
                tree = ast.fix_missing_locations(tree)
            return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)

    def exec_module(self, module):
        global importing
        module.__dict__["__upstream_missing__"] = _missing_name
        module.__dict__["__upstream_getattr__"] = _getattr
        importing += 1
        try:
            super().exec_module(module)
        finally:
            importing -= 1


class SuiteFinder:
    """Serves tornado.test and its submodules from the unpacked suite,
    whatever `tornado` is."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname == "tornado.test":
            base = os.path.join(config["suite"], "tornado", "test")
            return importlib.util.spec_from_file_location(
                fullname,
                os.path.join(base, "__init__.py"),
                loader=SuiteLoader(fullname, os.path.join(base, "__init__.py")),
                submodule_search_locations=[base],
            )
        if fullname.startswith("tornado.test."):
            leaf = fullname.rpartition(".")[2]
            file = os.path.join(config["suite"], "tornado", "test", leaf + ".py")
            if os.path.exists(file):
                return importlib.util.spec_from_file_location(
                    fullname, file, loader=SuiteLoader(fullname, file)
                )
        return None


def boot(path=None):
    """Configure this interpreter from the JSON file at path."""
    global config, error
    if config:
        return
    path = path or os.environ.get("UPSTREAM_BOOT")
    if not path:
        return
    with open(path) as f:
        config = json.load(f)
    if config.get("shims", True):
        install_shims()
    for folder in reversed(config.get("path", ())):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    if config.get("setup"):
        try:
            exec(compile(config["setup"], "<setup>", "exec"), {"__name__": "__setup__"})
        except BaseException:
            import traceback

            error = traceback.format_exc()
            sys.stderr.write("run_upstream: --setup failed\n" + error)
    sys.meta_path.insert(0, SuiteFinder)
    if "tornado" in sys.modules:
        attach(sys.modules["tornado"])


def attach(package):
    """Make a (possibly aliased) package able to hold tornado.test."""
    if not hasattr(package, "__path__"):
        package.__path__ = []
