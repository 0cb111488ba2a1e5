// The two functions of dmlc-core that XGBoost calls for files. This binding passes data and models as
// bytes, so nothing here opens one.
#include <dmlc/data.h>
#include <dmlc/io.h>
#include <dmlc/logging.h>

#include <cstdint>
#include <string>

namespace dmlc {
namespace {
[[noreturn]] void refuse(char const* uri) {
  throw Error{std::string{"this build of XGBoost opens no files: "} + uri};
}
}  // namespace

Stream* Stream::Create(char const* uri, char const* const, bool) { refuse(uri); }

template <>
Parser<std::uint32_t, real_t>* Parser<std::uint32_t, real_t>::Create(char const* uri, unsigned,
                                                                     unsigned, char const*) {
  refuse(uri);
}
}  // namespace dmlc
