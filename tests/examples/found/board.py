from tornado import web
import tornado
from aiomysql import create_pool


class IndexHandler(web.RequestHandler):
    def initialize(self, db):
        self.db = db

    async def get(self, *args, **kwargs):
        id = ''
        name = ''
        email = ''
        address = ''
        message = ''
        async with create_pool(host=self.db['host'], port=self.db["port"],
                               user=self.db["user"], password=self.db["password"],
                               db=self.db["name"], charset="utf8") as pool:
            async with pool.acquire() as conn:
                async with conn.cursor() as cur:
                    await cur.execute("SELECT id, name, email, address, message from tb_message")
                    try:
                        id, name, email, address, message = await cur.fetchone()
                    except Exception as e:
                        pass
        self.render("message.html", id=id, email=email, name=name, address=address, message=message)

    async def post(self, *args, **kwargs):
        id = self.get_body_argument('id', '')
        name = self.get_body_argument('name', '')
        email = self.get_body_argument('email', '')
        address = self.get_body_argument('address', '')
        message = self.get_body_argument('message', '')

        async with create_pool(host=self.db['host'], port=self.db["port"],
                               user=self.db["user"], password=self.db["password"],
                               db=self.db["name"], charset="utf8") as pool:
            async with pool.acquire() as conn:
                async with conn.cursor() as cur:
                    if not id:
                        await cur.execute("INSERT INTO tb_message(name, email, address, message) VALUES('{}','{}','{}','{}')".format(name,email,address,message))
                    else:
                        await cur.execute(
                            "update tb_message set name='{}', email='{}', address='{}', message='{}'".format(name, email,
                                                                                                          address,
                                                                                                          message))
                    await conn.commit()
        # self.render("message.html", id=id, email=email, name=name, address=address, message=message)
        self.redirect(self.reverse_url('index'))



settings = {
    'static_path': 'static',
    'static_url_prefix': '/static/',
    'template_path': 'templates',
    "db": {
        "host": "127.0.0.1",
        "user": "root",
        "password": "",
        "name": "test",
        "port": 3306
    }

}
if __name__ == '__main__':
    app = web.Application([
        web.URLSpec('/', IndexHandler, {'db': settings['db']}, name='index'),
    ], debug=True, **settings)
    app.listen(8888)
    tornado.ioloop.IOLoop.current().start()
