/// \file
/// Symbols that nobody documented, beside some that need no more: what undocumented.cmake runs the check
/// over.
#pragma once

namespace msae {

struct UndocumentedClass {
  int documented_member = 0;  ///< with a comment
};

enum class UndocumentedEnumeration { value };

/// Documented, unlike some of its members.
class Documented {
 public:
  void documented_method();  ///< with a comment
  void undocumented_method();
  int documented_field = 0;  ///< with a comment
  int undocumented_field = 0;

 private:
  int private_field_ = 0;
};

void undocumented_function();

}  // namespace msae
