#include "cli/browser.h"

#include "support/files.h"

namespace msae::test {
namespace {

using nlohmann::json;

// In front of the page's own script: what goes wrong in it is told of.
constexpr const char* watch = R"(<script>
const trouble = [];
addEventListener('error', event => trouble.push(String(event.message)));
addEventListener('unhandledrejection', event => trouble.push(String(event.reason)));
console.error = (...words) => trouble.push(words.join(' '));
window.alert = () => trouble.push('alert');
</script></head>)";

// What a reader does.
constexpr const char* hands = R"(<script>
const seen = {};
const one = what => document.querySelector(what);
const all = what => [...document.querySelectorAll(what)];
const texts = what => all(what).map(at => at.textContent);
const rest = () => new Promise(done => setTimeout(done, 100));
const pick = async (what, value) => { one(what).value = value; one(what).dispatchEvent(new Event('change', { bubbles: true })); await rest(); };
const type = async value => { one('#q').value = value; one('#q').dispatchEvent(new Event('input', { bubbles: true })); await rest(); };
const click = async what => { (typeof what === 'string' ? one(what) : what).click(); await rest(); };
const press = async key => { one('#list').dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })); await rest(); };
const listed = () => all('#list .item').map(item => +item.dataset.latent);
const isThere = what => one(what).offsetParent !== null;
(async () => {
  try { await rest(); await readerDoes(); } catch (error) { trouble.push(String(error)); }
  const outcome = document.createElement('pre');
  outcome.id = 'outcome';
  outcome.textContent = JSON.stringify({ ...seen, trouble });
  document.body.append(outcome);
})();
</script></body>)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace

std::string find_browser(const Workplace& here) {
  const auto found =
      here.shell("command -v chromium || command -v chromium-browser || command -v google-chrome").out;
  return found.substr(0, found.find('\n'));
}

json read_by(const std::string& browser, const Workplace& here, const std::string& page,
             const std::string& what_the_reader_does, int width) {
  auto text = contents(here / page);
  text.replace(text.find("</head>"), 7, watch);
  text.replace(text.rfind("</body>"), 7,
               "<script>async function readerDoes() {" + what_the_reader_does + "}</script>" + hands);
  overwrite(here / "driven.html", text);
  const auto outcome = here.shell("timeout 100 '" + browser +
                                  "' --headless --no-sandbox --disable-gpu --no-first-run "
                                  "--user-data-dir=profile --virtual-time-budget=20000 --window-size=" +
                                  std::to_string(width) + ",900 --dump-dom \"file://$PWD/driven.html\"");
  const std::string begin = "<pre id=\"outcome\">";
  const auto at = outcome.out.find(begin);
  if (at == std::string::npos) {
    ADD_FAILURE() << "the page came to no end: " << outcome.err;
    return json{{"trouble", {"no end"}}};
  }
  auto result = outcome.out.substr(at + begin.size());
  result = result.substr(0, result.find("</pre>"));
  return parse(replaced(replaced(replaced(result, "&lt;", "<"), "&gt;", ">"), "&amp;", "&"));
}

}  // namespace msae::test
