"""Reading the public API of a package: names, kinds and signatures, live or from source.

The inventories beside this file hold the same of upstream's releases (facts only: no
docstrings, no code), in the format

    {module: {name: {"kind": class|exception|function|constant, "signature": "...",
     "members": {name: {"kind": method|classmethod|staticmethod|property|attribute|instance|
     class, "signature": "..."}}}}}

Extra keys: "documented": true, "bases": [...], "alias_of": "mod.name" (a re-export), and
"static": true on names of a module that was read with ast since it could not be imported.
"""

import ast
import inspect

# Modules that need an optional dependency or another operating system.
OPTIONAL_MODULES = {
    "tornado.curl_httpclient": "pycurl",
    "tornado.platform.caresresolver": "pycares",
    "tornado.platform.twisted": "twisted",
    "tornado.platform.windows": "windows",
    "tornado.platform.kqueue": "kqueue",
}

# Function-like dunder names worth listing: those that make an object usable
# in some syntax. The ones every object has are left out (__init__ shows in
# the signature of the class).
DUNDERS = {
    "__call__",
    "__getitem__",
    "__setitem__",
    "__delitem__",
    "__len__",
    "__iter__",
    "__next__",
    "__contains__",
    "__enter__",
    "__exit__",
    "__aenter__",
    "__aexit__",
    "__aiter__",
    "__anext__",
    "__await__",
    "__bool__",
    "__copy__",
    "__float__",
    "__int__",
}


def is_public(name):
    return not name.startswith("_")


def format_default(value):
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, (str, bytes)) and len(value) <= 40:
        return repr(value)
    if isinstance(value, (tuple, list, dict)) and not value:
        return repr(value)
    return "..."


def render_params(params):
    """params: list of (kind, name, default-text-or-None), kinds as in inspect."""
    P = inspect.Parameter
    parts = []
    for i, (kind, name, default) in enumerate(params):
        prev = params[i - 1][0] if i else None
        if prev == P.POSITIONAL_ONLY and kind != P.POSITIONAL_ONLY:
            parts.append("/")
        if kind == P.KEYWORD_ONLY and prev not in (P.KEYWORD_ONLY, P.VAR_POSITIONAL):
            parts.append("*")
        text = {P.VAR_POSITIONAL: "*", P.VAR_KEYWORD: "**"}.get(kind, "") + name
        if default is not None:
            text += "=" + default
        parts.append(text)
    if params and params[-1][0] == P.POSITIONAL_ONLY:
        parts.append("/")
    return "(" + ", ".join(parts) + ")"


def signature_params(obj):
    sig = inspect.signature(obj)
    out = []
    for p in sig.parameters.values():
        default = None if p.default is p.empty else format_default(p.default)
        out.append((p.kind, p.name, default))
    return out


def signature_of(obj):
    try:
        return render_params(signature_params(obj))
    except (TypeError, ValueError):
        return "(?)"


def is_configurable(cls):
    return any(
        c.__name__ == "Configurable" and hasattr(c, "configurable_base") for c in cls.__mro__
    )


def class_signature(cls):
    """What a caller may pass to cls(...), without self."""
    try:
        if is_configurable(cls):
            params = signature_params(cls.initialize)
            return render_params(params[1:] if params and params[0][1] == "self" else params)
        return render_params(signature_params(cls))
    except (TypeError, ValueError):
        if isinstance(cls, type) and issubclass(cls, BaseException):
            return "(*args, **kwargs)"
        return "(?)"


def ast_default(node):
    try:
        return format_default(ast.literal_eval(node))
    except ValueError:
        return "..."


def ast_signature(args, skip_first=False):
    P = inspect.Parameter
    params = []
    plain = list(getattr(args, "posonlyargs", [])) + list(args.args)
    n_pos = len(getattr(args, "posonlyargs", []))
    defaults = [None] * (len(plain) - len(args.defaults)) + [ast_default(d) for d in args.defaults]
    for i, (a, d) in enumerate(zip(plain, defaults, strict=False)):
        params.append((P.POSITIONAL_ONLY if i < n_pos else P.POSITIONAL_OR_KEYWORD, a.arg, d))
    if skip_first and params:
        params = params[1:]
    if args.vararg:
        params.append((P.VAR_POSITIONAL, args.vararg.arg, None))
    for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=False):
        params.append((P.KEYWORD_ONLY, a.arg, None if d is None else ast_default(d)))
    if args.kwarg:
        params.append((P.VAR_KEYWORD, args.kwarg.arg, None))
    return render_params(params)


FUNCS = (ast.FunctionDef, ast.AsyncFunctionDef)


def parse_file(path):
    with open(path, encoding="utf-8") as f:
        return ast.parse(f.read())


def flat_statements(body):
    """Statements of a body, looking into if/try/with blocks."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, ast.If):
            for s in flat_statements(stmt.body + stmt.orelse):
                yield s
        elif isinstance(stmt, ast.Try):
            inner = stmt.body + stmt.orelse + stmt.finalbody
            for h in stmt.handlers:
                inner = inner + h.body
            for s in flat_statements(inner):
                yield s
        elif isinstance(stmt, ast.With):
            for s in flat_statements(stmt.body):
                yield s


def target_names(stmt):
    targets = []
    if isinstance(stmt, ast.Assign):
        targets = stmt.targets
    elif isinstance(stmt, ast.AnnAssign):
        targets = [stmt.target]
    names = set()
    for t in targets:
        for node in ast.walk(t):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return names


def class_nodes(tree):
    """qualified class name -> list of ClassDef nodes (conditional definitions
    may give several)."""
    out = {}

    def visit(body, prefix):
        for stmt in flat_statements(body):
            if isinstance(stmt, ast.ClassDef):
                q = prefix + stmt.name
                out.setdefault(q, []).append(stmt)
                visit(stmt.body, q + ".")

    visit(tree.body, "")
    return out


def instance_attributes(node):
    """Attributes that a class assigns to self in its methods, declares in its
    body without a value, or names in __slots__."""
    names = set()
    for stmt in flat_statements(node.body):
        if isinstance(stmt, ast.AnnAssign) and isinstance(stmt.target, ast.Name):
            names.add(stmt.target.id)
        elif isinstance(stmt, ast.Assign) and "__slots__" in target_names(stmt):
            for c in ast.walk(stmt.value):
                value = getattr(c, "value", getattr(c, "s", None))
                if isinstance(value, str):
                    names.add(value)
        elif isinstance(stmt, FUNCS):
            args = stmt.args.args
            first = args[0].arg if args else "self"
            for sub in ast.walk(stmt):
                if (
                    isinstance(sub, ast.Attribute)
                    and isinstance(sub.ctx, ast.Store)
                    and isinstance(sub.value, ast.Name)
                    and sub.value.id == first
                ):
                    names.add(sub.attr)
    return names


def decorator_name(node):
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return getattr(node, "id", "")


def static_class(node):
    members = {}
    init = None
    for stmt in flat_statements(node.body):
        if isinstance(stmt, FUNCS):
            decorators = [decorator_name(d) for d in stmt.decorator_list]
            if stmt.name in ("__init__", "initialize"):
                if init is None or stmt.name == "__init__":
                    init = ast_signature(stmt.args, skip_first=True)
            if not is_public(stmt.name) and stmt.name not in DUNDERS:
                continue
            if "setter" in decorators:
                continue
            if "property" in decorators or "cached_property" in decorators:
                members[stmt.name] = {"kind": "property"}
                continue
            kind = "method"
            for k in ("classmethod", "staticmethod"):
                if k in decorators:
                    kind = k
            members[stmt.name] = {
                "kind": kind,
                "signature": ast_signature(stmt.args, skip_first=kind == "classmethod"),
            }
        elif isinstance(stmt, ast.ClassDef) and is_public(stmt.name):
            members[stmt.name] = {"kind": "class"}
        else:
            for n in target_names(stmt):
                if is_public(n):
                    members.setdefault(n, {"kind": "attribute"})
    for n in instance_attributes(node):
        if is_public(n):
            members.setdefault(n, {"kind": "instance"})
    bases = []
    for b in node.bases:
        if isinstance(b, ast.Name):
            bases.append(b.id)
        elif isinstance(b, ast.Attribute):
            bases.append(b.attr)
    is_exc = any(b.endswith(("Error", "Exception")) for b in bases)
    out = {
        "kind": "exception" if is_exc else "class",
        "signature": init or "(*args, **kwargs)",
        "members": members,
        "static": True,
    }
    return out


def static_module(tree):
    """Describe a module from its source alone."""
    out = {}
    for stmt in flat_statements(tree.body):
        if isinstance(stmt, ast.ClassDef) and is_public(stmt.name):
            out[stmt.name] = static_class(stmt)
        elif isinstance(stmt, FUNCS) and is_public(stmt.name):
            out[stmt.name] = {
                "kind": "function",
                "signature": ast_signature(stmt.args),
                "static": True,
            }
        else:
            for n in target_names(stmt):
                if is_public(n):
                    out.setdefault(n, {"kind": "constant", "static": True})
    return out


def counted(info):
    """Does a member count by default? Undocumented instance attributes do not."""
    return info["kind"] != "instance" or info.get("documented", False)
