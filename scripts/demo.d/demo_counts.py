"""What the master's locustfile and the driver of the demo both must know."""

HTTP_USERS = 50
