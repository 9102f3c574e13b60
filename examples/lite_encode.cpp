// The latents of embeddings, the strongest first, by the library msae::lite alone:  lite_encode MODEL
// ROWS.txt [K] ROWS.txt has an embedding a line, numbers between spaces.
#include <msae/lite/encoder.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::vector<float> numbers_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<float> numbers;
  for (float number = 0; in >> number;) numbers.push_back(number);
  if (!in.eof()) throw std::invalid_argument("not a number in: " + line);
  return numbers;
}

void encode(const msae::lite::Encoder& model, std::istream& rows, msae::lite::OperatingPoint point) {
  for (std::string line; std::getline(rows, line);) {
    auto code = model.encode(numbers_of(line), point);
    std::sort(code.begin(), code.end(), [](const auto& a, const auto& b) { return a.value > b.value; });
    for (const auto& [latent, value] : code) std::cout << latent << ":" << value << " ";
    std::cout << "\n";
  }
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 3 && count != 4) throw std::invalid_argument("usage: lite_encode MODEL ROWS.txt [K]");
  std::ifstream rows(arguments[2]);
  if (!rows) throw std::invalid_argument(std::string(arguments[2]) + ": cannot be opened");
  auto point = msae::lite::OperatingPoint::trained();
  if (count == 4) point = msae::lite::OperatingPoint::top(std::stoll(arguments[3]));
  encode(msae::lite::Encoder(arguments[1]), rows, point);
} catch (const std::exception& error) {
  std::cerr << "lite_encode: " << error.what() << "\n";
  return 1;
}
