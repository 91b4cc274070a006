import tornado
from tornado import web


class IndexHandler(web.RequestHandler):
    async def get(self, *args, **kwargs):
        self.write('hello1')


class PeopleNameHandler(web.RequestHandler):
    def initialize(self, name):
        print(name)

    async def get(self, name, *args, **kwargs):
        self.write('hello1:{}'.format(name))


class PeopleAgeHandler(web.RequestHandler):
    async def get(self, age, *args, **kwargs):
        self.write(age)


class PeopleInfoHandler(web.RequestHandler):
    async def get(self, name, age, *args, **kwargs):
        self.write(name + age)


urls = [
    web.URLSpec('/', IndexHandler, name='index'),
    web.URLSpec('/people/(\d+)/?', PeopleAgeHandler),
    web.URLSpec('/people/(\w+)/?',  PeopleNameHandler,{'name': 'wh'}),
    web.URLSpec('/people/(?P<name>\w+)/(?P<age>\d+)/?', PeopleInfoHandler),

]

if __name__ == '__main__':
    app = web.Application(urls,
                          debug=True,
                          )
    app.listen(8888)
    tornado.ioloop.IOLoop.current().start()
