"""What a master needs to know of a user class, and an echo of messages."""

from locust import User, events, task


class TcpHoldUser(User):
    @task
    def hold(self):
        pass


@events.init.add_listener
def register(environment, **_):
    def echo(environment, msg, **_):
        environment.runner.send_message("echo", msg.data, msg.node_id)

    environment.runner.register_message("echo", echo)
