#!/usr/bin/env bash
# Libraries of the system that Slicer's libraries and Qt need to draw without a screen. Nothing happens where they are
# all there, or where packages are not Debian's.
set -euo pipefail
command -v dpkg > /dev/null && command -v ldconfig > /dev/null || exit 0

# library → its package
declare -A libraries=(
  [libEGL.so.1]=libegl1
  [libGL.so.1]=libgl1
  [libxkbcommon.so.0]=libxkbcommon0
  [libfontconfig.so.1]=libfontconfig1
  [libdbus-1.so.3]=libdbus-1-3
)
missing=()
known="$(ldconfig -p)"
for library in "${!libraries[@]}"; do
  [[ $known == *"$library"* ]] || missing+=("${libraries[$library]}")
done
for package in libgl1-mesa-dri fonts-dejavu-core; do # EGL's software renderer; words in the panel
  dpkg -s "$package" > /dev/null 2>&1 || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  command -v sudo > /dev/null || { echo "Tests of the module need: apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "Installing ${missing[*]} ..."
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
