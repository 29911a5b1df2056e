"""The playground in a browser, as one clicks through it."""

from tests.helpers import until
from tests.playground.shared import TOKEN


class Page:
    """The playground in a browser, as one clicks through it."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address
        self.js = driver.execute_script

    def open(self, width=1360, height=900, dark=False, token=TOKEN):
        tell = self.driver.execute_cdp_cmd
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        tell("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tell("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(f"{self.address}/?token={token}")
        self.until(lambda: self.js("return document.body.dataset.ready") == "true")
        return self

    def until(self, condition):
        """Wait for something that takes time; its value."""
        return until(condition)

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self, selector):
        return self.one(selector).text

    def click(self, selector):
        self.one(selector).click()

    def click_when_there(self, selector):
        self.until(lambda: self.one(selector).is_displayed())
        self.click(selector)

    def fill(self, **fields):
        from selenium.webdriver.support.ui import Select

        for name, value in fields.items():
            field = self.one(f'[name="{name}"]')
            if field.tag_name == "select":
                Select(field).select_by_value(value)
            else:
                field.clear()
                field.send_keys(value)
        return self

    def train(self, **fields):
        """Train to the end; the sentence that tells how it ended."""
        self.js("document.getElementById('end').textContent = ''")  # of the run before
        self.fill(**fields).click("#start")
        return self.until(lambda: self.text("#end"))

    def slide(self, index):
        self.js(
            "const s = document.getElementById('slider'); s.value = arguments[0];"
            "s.dispatchEvent(new Event('input'))",
            index,
        )

    def last(self):
        return int(self.one("#slider").get_attribute("max"))

    def curve(self, chart, trace):
        return self.js(
            "return Array.from(document.getElementById(arguments[0]).data[arguments[1]].y)",
            chart,
            trace,
        )

    def losses(self):
        return self.curve("loss", 0)

    def shown(self):
        return int(self.text("#epoch").removeprefix("epoch ").replace(",", ""))

    def compare(self, code, layer=None):
        """Paste a backward and compare; the heading of the verdict."""
        from selenium.webdriver.support.ui import Select

        if layer:
            Select(self.one("#layer")).select_by_value(layer)
        if code is not None:
            self.js("const c = document.getElementById('code'); c.value = arguments[0]", code)
        self.click("#run")
        return self.until(lambda: [h.text for h in self.all("#verdict h2")])[0]
