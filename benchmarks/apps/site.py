"""What a small site does: arguments, JSON, forms, templates, a thousand routes.

Usage: site.py PORT
"""

import sys

import tornado.ioloop
import tornado.template
import tornado.web

TEMPLATES = {
    "base.html": """<html><head><title>{% block title %}{% end %}</title></head>
<body><ul>{% for page in pages %}<li><a href="/{{ page }}">{{ page }}</a></li>{% end %}</ul>
{% block body %}{% end %}</body></html>""",
    "page.html": """{% extends "base.html" %}{% block title %}{{ title }}{% end %}
{% block body %}<table>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% end %}</tr>
{% end %}</table>{% end %}""",
}


class Json(tornado.web.RequestHandler):
    def get(self):
        count = int(self.get_argument("count"))
        names = self.get_arguments("name")
        self.write({"count": count, "names": names, "items": [{"id": i} for i in range(count)]})


class Form(tornado.web.RequestHandler):
    def post(self):
        self.write(self.get_body_argument("first") + self.get_body_argument("second"))


class Page(tornado.web.RequestHandler):
    rows = [[f"cell {row}", row, "<b>", "plain text", 1.5] for row in range(20)]

    def get(self):
        pages = ["one", "two", "three"]
        self.render("page.html", title="A & B", rows=self.rows, pages=pages)

    def create_template_loader(self, template_path):
        return tornado.template.DictLoader(TEMPLATES)


class Numbered(tornado.web.RequestHandler):
    def get(self, number, name):
        self.write(name)


def main():
    routes = [(rf"/route{number}/({number})/([a-z]+)", Numbered) for number in range(1000)]
    app = tornado.web.Application(
        [(r"/json", Json), (r"/form", Form), (r"/page", Page), *routes], template_path="/"
    )
    app.listen(int(sys.argv[1]), "127.0.0.1")
    tornado.ioloop.IOLoop.current().start()


if __name__ == "__main__":
    main()
