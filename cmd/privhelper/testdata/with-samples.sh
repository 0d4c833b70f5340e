#!/bin/sh -eu
# with-samples SCRIPT: installs the policies of etc/ where they belong, in this mount namespace alone, and runs SCRIPT.
mkdir -p etc
mount -t tmpfs -o mode=0755 none etc
cp -a /etc/. etc/
mount --bind etc /etc
mount -t tmpfs -o mode=0755 none /srv
mount -t tmpfs -o mode=0755 none /run
rm -rf /etc/privhelper
mkdir /etc/privhelper
cp -r @SAMPLES@/. /etc/privhelper/
chown -R 0:0 /etc/privhelper
chmod -R u=rwX,go=rX /etc/privhelper
echo 'ci-job:x:64999:64999::/nonexistent:/bin/false' >>/etc/passwd
echo 'ci-job:x:64999:' >>/etc/group
echo 'netagent-ip:x:64998:64998::/nonexistent:/bin/false' >>/etc/passwd
echo 'netagent-ip:x:64998:' >>/etc/group
mkdir -p /srv/ci/bin /srv/ci/work /srv/volumes/images /srv/volumes/mnt/a /srv/volumes/mnt/b
chown ci-job:ci-job /srv/ci/work
cat >/srv/ci/bin/run-job <<'END'
#!/bin/sh
echo "job $1 as $(id -un), interfaces: $(ip -o link | wc -l)"
cat /etc/shadow 2>/dev/null || cat /etc/hostname 2>/dev/null || echo other files are not there
touch /tmp/ci-job-was-here 2>/dev/null || echo nor can they be made
echo made >"made by $1" && cat "made by $1"
END
chmod 0755 /srv/ci/bin/run-job

# A sample has not so much as a note that its author does not answer for.
check() { privhelper check --config "/etc/privhelper/$1.conf" --fail-on=note | sed -n 's/.*: \([0-9]* warnings, [0-9]* notes\).*/\1/p'; }
may() { privhelper run --config "/etc/privhelper/$CONF.conf" "$@"; }
may_not() {
	code=0
	may "$@" 2>refusal || code=$?
	if [ $code != 99 ]; then echo "$*: exit code $code"; fi
}
. "./$1"
