// The style sheet, the place for concepts, and the script of the report's page, as the program carries them.
#pragma once

namespace msae::cli {

extern const char* const report_style;
extern const char* const report_explorer;
extern const char* const report_script;

}  // namespace msae::cli
