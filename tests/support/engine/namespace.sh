# What runs in the mount namespace of a Docker Engine, where the machine's own files stay as they are. ENGINE_ROOT is the
# root that its programs are in: a Debian unpacked beside the system, or nothing for the machine's own.
set -e
root=$ENGINE_ROOT
if [ -n "$root" ]; then
    # A root is a mount point. In it are the machine's devices, and the folders in which tests and clients work.
    mount --bind "$root" "$root"
    for folder in /dev /proc /sys; do mount --rbind "$folder" "$root$folder"; done
    for folder in "$TMPDIR" "$PWD"; do
        mkdir -p "$root$folder"
        mount --bind "$folder" "$root$folder"
    done
    mount -t tmpfs none "$root/run"
fi
if [ -n "$ENGINE_REMAP" ]; then
    cp -a "$root/etc" "$ENGINE_FOLDER/etc"
    mount --bind "$ENGINE_FOLDER/etc" "$root/etc"
    grep -qs '^dockremap:' "$root/etc/passwd" || echo 'dockremap:x:996:996::/:/usr/sbin/nologin' >>"$root/etc/passwd"
    grep -qs '^dockremap:' "$root/etc/group" || echo 'dockremap:x:996:' >>"$root/etc/group"
    echo "dockremap:$ENGINE_REMAP:65536" >"$root/etc/subuid"
    echo "dockremap:$ENGINE_REMAP:65536" >"$root/etc/subgid"
fi
if [ -n "$ENGINE_DISK" ]; then
    mkdir -p "$root$ENGINE_FOLDER/data"
    mount -t tmpfs -o size="$ENGINE_DISK" none "$root$ENGINE_FOLDER/data"
fi
mount --bind "$ENGINE_FOLDER/hosts" "$root/etc/hosts"
if [ -n "$root" ]; then
    cd "$root"
    pivot_root . .
    umount -l .
fi
exec "$@"
