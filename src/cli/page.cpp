#include "cli/page.h"

#include "core/printable.h"

namespace msae::cli {
namespace {

constexpr const char* common_style = R"(
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --soft: #595959; --grid: #e2e2e2; --tip: #fffbe6; }
.c0 { --c: #0072b2; } .c1 { --c: #d55e00; } .c2 { --c: #007a5a; } .c3 { --c: #b0528c; }
.c4 { --c: #8a6d00; } .c5 { --c: #2f7fb5; } .c6 { --c: #a11d33; } .c7 { --c: #444; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #ececec; --soft: #a8a8a8; --grid: #33373d; --tip: #2b2f36; }
  .c0 { --c: #5ab4ee; } .c1 { --c: #ff9a52; } .c2 { --c: #3ecfa0; } .c3 { --c: #e79cc8; }
  .c4 { --c: #e6c54a; } .c5 { --c: #9fd3f5; } .c6 { --c: #ff8093; } .c7 { --c: #c8c8c8; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 64rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, ul { margin: .5rem 0; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); }
figure svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 15px; } text.x { text-anchor: middle; }
text.y { text-anchor: end; dominant-baseline: central; } text.name { fill: var(--soft); }
.grid { stroke: var(--grid); } .frontier { fill: none; stroke: var(--soft); stroke-opacity: .35; stroke-width: 7; }
polyline { fill: none; stroke: var(--c); stroke-width: 1.6; }
.mark { fill: var(--c); stroke: var(--c); stroke-width: 1.6; } .dominated .mark { fill: var(--paper); }
.point:hover .mark { stroke-width: 4; }
@media (max-width: 40rem) { svg text { font-size: 26px; } figure .mark { transform: scale(1.7); }
  polyline { stroke-width: 2.5; } .key polyline { stroke-width: 1.6; } }
)";

}  // namespace

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += letter == '\n' ? std::string(1, letter) : printable(std::string(1, letter));
    }
  }
  return safe;
}

std::string table_row(const std::vector<std::string>& cells, const std::string& tag,
                      const std::string& row_class) {
  std::string text = row_class.empty() ? "<tr>" : "<tr class=\"" + row_class + "\">";
  for (const auto& cell : cells) text.append("<" + tag + ">").append(escaped(cell)).append("</" + tag + ">");
  return text.append("</tr>\n");
}

std::string page_begin(const std::string& title, const std::string& style) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         escaped(title) + "</title>\n<style>" + common_style + style + "</style>\n</head>\n<body>\n";
}

std::string page_end(const std::string& script) {
  return "<script>" + script + "</script>\n</body>\n</html>\n";
}

}  // namespace msae::cli
