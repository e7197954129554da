"""A user with a known amount of work, so that a test knows every total.

Each user makes 20 requests of 7 ms and 11 bytes, of which two fail, raises one
exception after the last and idles from then on.
"""

from locust import User, constant, task


class CountedUser(User):
    wait_time = constant(0.02)

    def on_start(self):
        self.left = 20

    @task
    def work(self):
        if self.left == 0:
            return
        self.left -= 1
        self.environment.events.request.fire(
            request_type="COUNTED",
            name="work",
            response_time=7,
            response_length=11,
            exception=ValueError("it's broken") if self.left % 10 == 0 else None,
            context={},
        )
        if self.left == 0:
            raise RuntimeError("no work left")
