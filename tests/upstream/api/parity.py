#!/usr/bin/env python3
"""How much of an upstream Tornado release's public API a package provides.

    parity.py 6.6.1                                  # the installed `tornado`
    parity.py 6.6.1 --setup "import compat"
    parity.py 5.1.1 --root some.package              # stands in for `tornado`
    parity.py 6.6.1 --only-module tornado.web -v

Compares the package with tornado-VERSION.json beside this file (see
inventory.py). A name counts as present when the module (or class, or, for
instance attributes, the source of the class or of one of its bases) has it.
Signature incompatibilities, kinds and base classes are listed apart and do
not change the count unless --strict is given.

By default the count takes module names and class members; instance attributes
that upstream leaves undocumented are listed under -v and counted with
--all-attributes. --documented counts documented names only.

The last line reads `parity tornado-6.6.1: 1234/1300 names, 95.0%`.
Exit status 0, or 1 with --fail-under PERCENT and a lower result. Stdlib only.
"""

import argparse
import ast
import builtins
import importlib
import importlib.util
import inspect
import json
import os
import sys
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import inventory  # noqa: E402

sys.path.pop(0)

CALLABLE = ("function", "class", "exception", "method", "classmethod", "staticmethod")
P = inspect.Parameter


def parse_signature(text):
    """'(a, b=1, *args, c, **kw)' -> (positional names, keyword-only names,
    has *args, has **kwargs, required names); None when unknown."""
    if not text or text == "(?)":
        return None
    body = text[1:-1]
    posonly = []
    if "/" in [p.strip() for p in body.split(",")]:
        head, _, body = body.partition("/")
        posonly = [p.strip().split("=")[0] for p in head.split(",") if p.strip()]
        body = body.lstrip(", ")
    try:
        args = ast.parse(f"def f({body}): pass").body[0].args
    except SyntaxError:
        return None
    names = [a.arg for a in args.args]
    required = names[: len(names) - len(args.defaults)] if args.defaults else list(names)
    kwonly = [a.arg for a in args.kwonlyargs]
    required += [a for a, d in zip(kwonly, args.kw_defaults, strict=False) if d is None]
    return {
        "posonly": posonly,
        "positional": names,
        "kwonly": kwonly,
        "args": args.vararg is not None,
        "kwargs": args.kwarg is not None,
        "required": required,
    }


def compare_signatures(theirs, ours, drop_first):
    """Ways in which a call that upstream accepts is refused by ours."""
    a, b = parse_signature(theirs), parse_signature(ours)
    if a is None or b is None:
        return []
    ap, bp = list(a["positional"]), list(b["positional"])
    if drop_first:
        ap, bp = ap[1:], bp[1:]
    problems = []
    if b["args"] and b["kwargs"]:
        return []
    our_names = set(bp) | set(b["kwonly"])
    for name in ap + a["kwonly"]:
        if name not in our_names and not b["kwargs"]:
            if name in ap and len(ap) == 1 and len(bp) == 1 and not a["kwonly"]:
                problems.append(f"parameter {name} is called {bp[0]}")
            else:
                problems.append(f"no parameter {name}")
    if not b["args"]:
        if len(bp) < len(ap) and not all("no parameter" in p for p in problems[:1] or [""]):
            problems.append(f"takes {len(bp)} positional, not {len(ap)}")
        for i, name in enumerate(ap):
            if name in bp and bp.index(name) != i:
                problems.append(f"parameter {name} is at {bp.index(name)}, not {i}")
                break
            if name in b["kwonly"]:
                problems.append(f"parameter {name} is keyword-only")
                break
    if a["args"] and not b["args"]:
        problems.append("no *args")
    if a["kwargs"] and not b["kwargs"]:
        problems.append("no **kwargs")
    known = set(ap) | set(a["kwonly"])
    for name in b["required"]:
        if drop_first and name == (b["positional"] or [None])[0]:
            continue
        if name not in known and not a["args"] and not a["kwargs"]:
            if any(f"is called {name}" in p for p in problems):
                continue
            problems.append(f"requires {name}")
        elif name in known and name not in a["required"]:
            problems.append(f"requires {name} (optional upstream)")
    return problems


class Target:
    """The package that stands in for tornado."""

    def __init__(self, root):
        self.root = root
        self.trees = {}

    def name(self, module):
        return self.root + module[len("tornado") :]

    def load(self, module):
        try:
            return importlib.import_module(self.name(module)), None
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            return None, f"{type(e).__name__}: {e}"

    def static(self, module):
        """Names of a module that cannot be imported here, from its source."""
        name = self.name(module)
        paths = []
        try:
            spec = importlib.util.find_spec(name)
            paths.append(getattr(spec, "origin", None))
        except (ImportError, ValueError, AttributeError):
            pass  # then by its parent, below
        # An alias may give no origin: look in the folders of the parent.
        parent, _, leaf = name.rpartition(".")
        try:
            folders = getattr(importlib.import_module(parent), "__path__", ())
            paths += [os.path.join(folder, leaf + ".py") for folder in folders]
        except ImportError:
            pass  # no parent: there is no such module
        for path in paths:
            if path and os.path.exists(path):
                return inventory.static_module(inventory.parse_file(path))
        return None

    def nodes(self, cls):
        m = sys.modules.get(cls.__module__)
        path = getattr(m, "__file__", None)
        if not path or not path.endswith(".py"):
            return []
        if path not in self.trees:
            try:
                self.trees[path] = inventory.class_nodes(inventory.parse_file(path))
            except (OSError, SyntaxError):
                self.trees[path] = {}
        return self.trees[path].get(cls.__qualname__, [])

    def instance_attributes(self, cls):
        names = set()
        for k in cls.__mro__:
            if k is object:
                continue
            for node in self.nodes(k):
                names |= inventory.instance_attributes(node)
            names |= set(getattr(k, "__annotations__", {}))
            slots = vars(k).get("__slots__", ())
            names |= {slots} if isinstance(slots, str) else set(slots)
        return names


def our_kind(value):
    if inspect.isclass(value):
        return "exception" if issubclass(value, BaseException) else "class"
    if callable(value):
        return "function"
    return "constant"


def has_attr(obj, name):
    try:
        getattr(obj, name)
        return True
    except AttributeError:
        return False
    except Exception:
        return True


def resolve_base(target, dotted):
    """An upstream base class, as found in the target, builtins or stdlib."""
    module, _, name = dotted.rpartition(".")
    if module.startswith("tornado"):
        if name.startswith("_"):
            return None
        obj, _ = target.load(module)
    elif module == "builtins":
        obj = builtins
    else:
        if module.startswith("_") or module in ("?", "typing"):
            return None
        try:
            obj = importlib.import_module(module)
        except ImportError:
            return None
    return getattr(obj, name, None)


class Report:
    def __init__(self):
        self.total = self.present = 0
        self.missing = []
        self.problems = []
        self.extra_missing = []
        self.error = None
        self.checked_signatures = self.bad_signatures = 0


def check_module(target, module, expected, opts):
    rep = Report()
    obj, error = target.load(module)
    static = None
    if obj is None:
        if module in inventory.OPTIONAL_MODULES:
            static = target.static(module)
        rep.error = error + ("; read statically" if static is not None else "")

    def count(label, info, ok):
        if opts.documented and not info.get("documented"):
            return
        if not inventory.counted(info) and not opts.all_attributes:
            if not ok:
                rep.extra_missing.append(label)
            return
        rep.total += 1
        if ok:
            rep.present += 1
        else:
            rep.missing.append(label)

    def problem(label, texts):
        if texts:
            rep.problems.append((label, "; ".join(texts)))
            rep.bad_signatures += 1
            if opts.strict:
                rep.present -= 1

    for name in sorted(expected):
        info = expected[name]
        members = info.get("members", {})
        if obj is None:
            ours = (static or {}).get(name)
            count(name, info, ours is not None)
            if ours is not None and info["kind"] in CALLABLE:
                rep.checked_signatures += 1
                problem(
                    name, compare_signatures(info.get("signature"), ours.get("signature"), False)
                )
            for m, minfo in sorted(members.items()):
                have = (ours or {}).get("members", {}).get(m)
                count(name + "." + m, minfo, have is not None)
            continue
        ok = has_attr(obj, name)
        count(name, info, ok)
        if not ok:
            for m, minfo in sorted(members.items()):
                count(name + "." + m, minfo, False)
            continue
        value = getattr(obj, name)
        kind = our_kind(value)
        texts = []
        want = info["kind"]
        if want in ("class", "exception") and not inspect.isclass(value):
            texts.append(f"is a {kind}, not a {want}")
        elif want == "exception" and kind != "exception":
            texts.append("is not an exception")
        elif want == "function" and not callable(value):
            texts.append("is not callable")
        if inspect.isclass(value):
            for base in info.get("bases", ()):
                b = resolve_base(target, base)
                if inspect.isclass(b) and not issubclass(value, b):
                    texts.append(f"does not derive from {base}")
        if want in CALLABLE:
            rep.checked_signatures += 1
            sig = (
                inventory.class_signature(value)
                if inspect.isclass(value)
                else inventory.signature_of(value)
            )
            texts += compare_signatures(info.get("signature"), sig, False)
        problem(name, texts)
        if not inspect.isclass(value):
            for m, minfo in sorted(members.items()):
                count(name + "." + m, minfo, has_attr(value, m))
            continue
        instance = None
        for m, minfo in sorted(members.items()):
            label = name + "." + m
            ok = has_attr(value, m)
            if not ok:
                if instance is None:
                    instance = target.instance_attributes(value)
                ok = m in instance or (
                    # Attributes made from data, as in a dict with attributes.
                    minfo["kind"] == "instance" and hasattr(value, "__getattr__")
                )
                count(label, minfo, ok)
                if ok and minfo["kind"] in ("method", "classmethod", "staticmethod"):
                    rep.problems.append((label, "set on instances only"))
                continue
            count(label, minfo, ok)
            if minfo["kind"] not in ("method", "classmethod", "staticmethod"):
                continue
            raw = inspect.getattr_static(value, m, None)
            texts = []
            if minfo["kind"] == "classmethod" and not isinstance(raw, (classmethod, staticmethod)):
                texts.append("is not a classmethod")
            elif isinstance(raw, property):
                texts.append("is a property, not a method")
            elif not callable(getattr(value, m, None)):
                texts.append("is not callable")
            else:
                rep.checked_signatures += 1
                ours = inventory.signature_of(getattr(value, m))
                bound = isinstance(raw, (classmethod, staticmethod))
                theirs = minfo.get("signature")
                if minfo["kind"] == "method":
                    # Ours may be a static method: then it has no self to drop.
                    if bound:
                        a = parse_signature(theirs)
                        if a and a["positional"]:
                            theirs = (
                                "(" + theirs[1:].split(",", 1)[-1].lstrip()
                                if "," in theirs
                                else "()"
                            )
                    texts += compare_signatures(theirs, ours, not bound)
                else:
                    texts += compare_signatures(theirs, ours, False)
            problem(label, texts)
    return rep


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("version", help="upstream release, e.g. 6.6.1")
    p.add_argument("--root", default="tornado", help="package that stands in for tornado")
    p.add_argument("--setup", help="python code run first, e.g. to install an alias")
    p.add_argument("--inventory", help="inventory file (default: tornado-VERSION.json here)")
    p.add_argument("--only-module", action="append", help="check this upstream module only")
    p.add_argument("--documented", action="store_true", help="count documented names only")
    p.add_argument(
        "--all-attributes", action="store_true", help="count undocumented instance attributes too"
    )
    p.add_argument(
        "--strict", action="store_true", help="an incompatible signature counts as missing"
    )
    p.add_argument(
        "--skip-optional",
        action="store_true",
        help="leave out curl, cares, twisted, windows and kqueue modules",
    )
    p.add_argument(
        "--incidental",
        action="store_true",
        help="also report names visible in upstream modules by import",
    )
    p.add_argument("--json", help="write the result here")
    p.add_argument("--fail-under", type=float)
    p.add_argument("-q", "--quiet", action="store_true", help="module lines only")
    p.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="also list missing undocumented instance attributes",
    )
    opts = p.parse_args()

    path = opts.inventory or os.path.join(HERE, f"tornado-{opts.version}.json")
    with open(path) as f:
        api = json.load(f)
    warnings.simplefilter("ignore")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if opts.setup:
        exec(compile(opts.setup, "<setup>", "exec"), {"__name__": "__setup__"})
    target = Target(opts.root)

    modules = sorted(api)
    if opts.only_module:
        modules = [m for m in modules if m in opts.only_module]
    if opts.skip_optional:
        modules = [m for m in modules if m not in inventory.OPTIONAL_MODULES]
    total = present = sigs = bad = 0
    out = {}
    for module in modules:
        rep = check_module(target, module, api[module], opts)
        total += rep.total
        present += rep.present
        sigs += rep.checked_signatures
        bad += rep.bad_signatures
        out[module] = {
            "total": rep.total,
            "present": rep.present,
            "missing": rep.missing,
            "incompatible": dict(rep.problems),
            "error": rep.error,
            "missing_undocumented_attributes": rep.extra_missing,
        }
        line = f"{module:34} {rep.present:4}/{rep.total}"
        if rep.problems:
            line += f"  ({len(rep.problems)} incompatible)"
        if rep.error:
            line += f"  [{rep.error}]"
        print(line)
        if opts.quiet:
            continue
        for name in rep.missing:
            print(f"    missing  {name}")
        for name, text in rep.problems:
            print(f"    differs  {name}: {text}")
        if opts.verbose:
            for name in rep.extra_missing:
                print(f"    attribute  {name} (undocumented)")
    if opts.incidental:
        with open(os.path.join(HERE, f"incidental-{opts.version}.json")) as f:
            names = json.load(f)
        have = every = 0
        for module in sorted(names):
            if module not in modules:
                continue
            obj, _ = target.load(module)
            for name in sorted(names[module]):
                every += 1
                if obj is not None and has_attr(obj, name):
                    have += 1
                elif not opts.quiet:
                    print(f"    incidental  {module}.{name}")
        print(f"incidental names: {have}/{every}")
    print(f"signatures: {sigs - bad}/{sigs} compatible")
    percent = 100.0 * present / total if total else 0.0
    if opts.json:
        with open(opts.json, "w") as f:
            json.dump(
                {
                    "version": opts.version,
                    "present": present,
                    "total": total,
                    "percent": round(percent, 1),
                    "modules": out,
                },
                f,
                indent=1,
                sort_keys=True,
            )
    print(f"parity tornado-{opts.version}: {present}/{total} names, {percent:.1f}%")
    if opts.fail_under is not None and percent < opts.fail_under:
        sys.exit(1)


if __name__ == "__main__":
    main()
