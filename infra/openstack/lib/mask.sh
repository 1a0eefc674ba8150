# shellcheck shell=bash
# Debian's packages bring units that systemd would start, now or at the next boot. Those that the machine does not have yet are masked
# before they arrive; the file says which, for whoever removes the packages.
MASKED=/var/lib/portal-openstack-masked
UNITS=(mysql.service mysqld.service mariadb.service mariadb.socket mariadb-extra.socket rabbitmq-server.service epmd.service epmd.socket
  memcached.service keystone.service uwsgi.service rsync.service heat-api.service heat-api-cfn.service heat-engine.service
  manila-api.service manila-scheduler.service manila-share.service glance-api.service placement-api.service neutron-api.service
  neutron-server.service neutron-rpc-server.service neutron-linuxbridge-agent.service nova-api.service nova-api-metadata.service
  nova-conductor.service nova-scheduler.service nova-compute.service iscsid.service iscsid.socket open-iscsi.service)

mask_units() {
  has_systemd || return 0
  local unit
  for unit in "${UNITS[@]}"; do
    if systemctl cat "$unit" > /dev/null 2>&1 || [ -e "/etc/systemd/system/$unit" ]; then continue; fi
    systemctl mask -q "$unit" && echo "$unit" >> "$MASKED"
  done
}
