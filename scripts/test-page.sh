#!/usr/bin/env bash
# Opens the live page of a balancer in headless Chromium and looks at it as an operator would: no error in
# the console, a killed backend turns red and says why, a drain works, the lanes of the workers move under
# load, nothing is loaded from elsewhere, and no text lies over another at 360, 768 and 1440 pixels.
#
#   scripts/test-page.sh [--screenshots]    --screenshots renews the pictures of the README
#
# Needs chromium, chromedriver (Debian: chromium chromium-driver) and python3. Everything stays on the
# loopback interface. Exit code 77: the browser does not start here.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in chromium chromedriver python3; do
  command -v "$program" >/dev/null || {
    echo "test-page: $program is missing: apt-get install chromium chromium-driver python3" >&2
    exit 1
  }
done
cargo build --quiet --locked --bins
exec env PYTHONDONTWRITEBYTECODE=1 python3 scripts/page/look.py "${CARGO_TARGET_DIR:-target}/debug" "$@"
