import tornado
from tornado import web
from tornado.options import options, define

define('port', default=8888, help='在指定端口运行', type=int)
options.parse_command_line()
# options.parse_config_file('conf.cfg')

class IndexHandler(web.RequestHandler):
    async def get(self, *args, **kwargs):
        self.write('hello1')


urls = [
    web.URLSpec('/', IndexHandler, name='index'),

]

if __name__ == '__main__':
    app = web.Application(urls,
                          debug=True,
                          )
    app.listen(options.port)
    tornado.ioloop.IOLoop.current().start()
