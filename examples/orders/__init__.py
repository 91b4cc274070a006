"""A whole service: orders by REST, live notifications, a consumer, periodic work, uploads, metrics.

    python -m examples.orders --port 8888                 on SQLite, and nothing else
    python -m examples.orders --workers 2 --drain-delay 2
    ORDERS_DATABASE=postgresql://postgres@127.0.0.1/postgres python -m examples.orders
    tornado-trio serve examples.orders.app:main           the same (with --asyncio for PostgreSQL)

    curl localhost:8888/orders --json '{"item": "tea", "quantity": 2}'
    curl -N localhost:8888/events

Options are those of `tornado-trio serve`; data is kept in the folder that ORDERS_FOLDER names.
Workers share it: an order that one of them takes is paid by the consumer of whichever comes first,
and seen by the followers of all.

    app.py        what there is, and what runs beside serving
    handlers.py   requests                live.py    followers: events, websockets
    db.py         the two databases       state.py   what handlers share; metrics
"""
