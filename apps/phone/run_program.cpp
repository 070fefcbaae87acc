// Run a .pte of 'hierattn export' on one picture, in ExecuTorch's C++ runtime: what an app on a phone does, without the app.
//
//   run_program MODEL.pte PICTURE.rgb            the photograph alone
//   run_program MODEL.pte PICTURE.rgb 1 0 0.5    with the codes of the answers, in the order of the questions
//   run_program MODEL.pte                        the description, one JSON text
//
// PICTURE.rgb holds S x S x 3 bytes: upright, cropped, balanced and resized as docs/bundle.md says. Every output is one line of
// numbers, in the order of docs/bundle.md.

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using executorch::extension::from_blob;
using executorch::extension::Module;
using executorch::runtime::EValue;

namespace {

[[noreturn]] void fail(const std::string& reason) {
  std::fprintf(stderr, "run_program: %s\n", reason.c_str());
  std::exit(1);
}

std::vector<uint8_t> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    fail(std::string(path) + " cannot be read: check the path");
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    fail("wanted MODEL.pte, and perhaps PICTURE.rgb and the codes of answers");
  }
  Module module(words[1]);
  if (count == 2) {
    const auto described = module.execute("hierattn_metadata");
    if (!described.ok()) {
      fail("no description: wanted a .pte from 'hierattn export'");
    }
    const auto text = described->at(0).toString();
    std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
    return 0;
  }
  std::vector<uint8_t> pixels = read_file(words[2]);
  const int side = static_cast<int>(std::lround(std::sqrt(pixels.size() / 3.0)));
  if (static_cast<size_t>(side) * side * 3 != pixels.size()) {
    fail("the picture is no square of RGB bytes: wanted the network's own size");
  }
  std::vector<float> codes;
  for (int number = 3; number < count; ++number) {
    codes.push_back(std::strtof(words[number], nullptr));
  }
  auto image = from_blob(pixels.data(), {1, side, side, 3}, executorch::aten::ScalarType::Byte);
  std::vector<EValue> inputs = {image};
  auto answers = from_blob(codes.data(), {1, static_cast<int>(codes.size())});
  if (!codes.empty()) {
    inputs.emplace_back(answers);
  }
  const auto outputs = module.execute(codes.empty() ? "forward" : "with_answers", inputs);
  if (!outputs.ok()) {
    fail("the program refused the picture or the answers: wanted the network's own size, and a code for each question");
  }
  for (const auto& output : *outputs) {
    const auto& values = output.toTensor();
    for (ssize_t number = 0; number < values.numel(); ++number) {
      std::printf(number ? " %.9g" : "%.9g", values.const_data_ptr<float>()[number]);
    }
    std::printf("\n");
  }
  return 0;
}
