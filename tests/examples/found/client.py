from tornado import httpclient
import tornado


async def f():
    http_client = httpclient.AsyncHTTPClient()
    try:
        response = await http_client.fetch("http://www.baidu.com")
    except Exception as e:
        print("Error: %s" % e)
    else:
        print(response.body.decode())


if __name__ == '__main__':
    io_loop = tornado.ioloop.IOLoop.current()
    io_loop.run_sync(f)
