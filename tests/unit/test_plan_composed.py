"""The host plan: what the layers need, put together per host."""

import time

import pytest

from xteam_infra.engine.facts.fitness import Fitness
from xteam_infra.engine.preflight import host_problems
from xteam_infra.plan import HostPlan, HostRequirements, ListenPort
from xteam_infra.plan.compose import plans
from xteam_infra.plan.firewall_rules import firewall_rules


def ports(estate, machine, source):
    return {listen.port for listen in plans(estate)[machine].listens if source in listen.sources}


def test_the_world_reaches_the_edge_alone(ha):
    estate = ha.read()
    open_to_all = {machine.name: ports(estate, machine.name, "world") for machine in estate.machines}
    assert open_to_all.pop("edge1") == open_to_all.pop("edge2") == {80, 443}
    assert not any(open_to_all.values()), open_to_all


def test_ssh_is_for_the_management_networks(ha):
    estate = ha.read()
    for machine in estate.machines:
        (ssh,) = [one for one in firewall_rules(estate, machine) if one.port == 22]
        assert ssh.v4 == ("192.168.7.1/32",) and not ssh.world


def test_units_that_packages_bring_along_are_masked_unless_a_layer_asks_for_them(ha):
    found = plans(ha.read())
    assert "haproxy.service" in found["backup1"].masked and "haproxy.service" in found["app1"].masked
    assert "haproxy.service" not in found["edge1"].masked
    assert {"patroni.service", "postgresql.service"} <= set(found["db1"].masked)
    assert not any(set(plan.masked) & set(plan.units) for plan in found.values())


def test_sources_are_the_addresses_of_the_groups(ha):
    """The API is open to the edges; what is local is open to nobody."""
    estate = ha.read()
    app1 = {one.port: one for one in firewall_rules(estate, estate.machine("app1"))}
    edges = {f"{machine.address}/32" for machine in estate.members("edge")}
    assert set(app1[estate.app.app_port].v4) == edges
    assert not {5440, 5441, 6432} & set(app1), "the router is for its own host"


def test_a_new_host_of_a_group_is_let_in(ha):
    """No firewall setting to remember: the inventory says it."""
    ha.hosts["edge3"] = ("edge",)
    estate = ha.read()
    (api,) = [one for one in firewall_rules(estate, estate.machine("app1")) if one.port == estate.app.app_port]
    assert f"{estate.machine('edge3').address}/32" in api.v4


def test_own_openings_where_they_are_asked_for(ha):
    rule = {"port": 9999, "sources": ("10.9.0.0/24",), "comment": "old monitoring", "groups": ("redis",)}
    ha.own["extra_inbound"] = (rule,)
    estate = ha.read()
    having = [m.name for m in estate.machines if any(one.port == 9999 for one in firewall_rules(estate, m))]
    assert having == ["redis1", "redis2", "redis3"]


def test_every_host_has_what_its_groups_need(ha):
    estate = ha.read()
    assert "patroni" in plans(estate)["db1"].packages and "redis-server" not in plans(estate)["db1"].packages
    assert "haproxy.service" in plans(estate)["edge1"].units
    assert "redis-server.service" in plans(estate)["redis1"].masked, "Debian's own instance has no password"
    for machine in estate.machines:
        assert {"ssh.service", "nftables.service"} <= set(plans(estate)[machine.name].units)


def test_one_host_carries_everything(declaration):
    """Of all layers together none contradicts another, and nothing that must run is masked."""
    plan = plans(declaration.read())["solo1"]
    assert not list(plan.contradictions())
    assert not set(plan.units) & set(plan.masked)


def test_the_edge_speaks_for_every_public_name(ha):
    ha.own["ALLOWED_HOSTS"] = ("xteam.test", "www.xteam.test")
    (edge,) = [one for one in plans(ha.read())["edge1"].certificates if one.name == "edge"]
    assert edge.subject.dns == ("xteam.test", "www.xteam.test")


def plan_of(**needs):
    return HostPlan("db1", needs)


def test_two_layers_on_one_port():
    plan = plan_of(
        redis=HostRequirements(listens=(ListenPort(7000, "cache", ("app",)),)),
        logs=HostRequirements(listens=(ListenPort(7000, "journals", ()),)),
    )
    (problem,) = plan.contradictions()
    assert (problem.file, problem.key, problem.found) == ("host db1", "port 7000", "redis (cache) and logs (journals)")


def test_two_values_for_one_kernel_setting():
    plan = plan_of(
        redis=HostRequirements(sysctls={"vm.swappiness": "1"}),
        postgres=HostRequirements(sysctls={"vm.swappiness": "10"}),
    )
    (problem,) = plan.contradictions()
    assert problem.found == "redis wants 1, postgres wants 10"


def test_two_layers_that_agree():
    assert not list(
        plan_of(a=HostRequirements(sysctls={"x": "1"}), b=HostRequirements(sysctls={"x": "1"})).contradictions()
    )


def fitness(**unlike):
    fit = {"os": "debian 13", "init": "systemd", "memory_mb": 64_000, "disk_free_gb": 100, "user": "root"}
    return Fitness(**{**fit, "clock": int(time.time()), **unlike})


def test_a_fit_host_is_accepted(declaration):
    assert not list(host_problems(declaration.read(), "solo1", fitness()))


def test_memory_that_does_not_add_up_names_every_service(declaration):
    estate = declaration.read()
    (problem,) = host_problems(estate, "solo1", fitness(memory_mb=1000))
    for service, mb in plans(estate)["solo1"].memory_mb.items():
        assert f"{service} {mb}" in problem.found
    needed = sum(plans(estate)["solo1"].memory_mb.values()) + estate.base.memory_reserve_mb
    assert problem.found.startswith(f"{needed} MiB planned") and "1000 MiB" in problem.allowed
    assert not list(host_problems(estate, "solo1", fitness(memory_mb=needed)))


def test_every_fault_of_a_host_is_told(declaration):
    unfit = fitness(os="ubuntu 24.04", init="runit", disk_free_gb=0, clock=0, user="deploy", memory_mb=1)
    keys = {problem.key for problem in host_problems(declaration.read(), "solo1", unfit)}
    assert keys == {"operating system", "init system", "sudo", "clock", "free space on /", "memory"}


@pytest.mark.parametrize(("seconds", "refused"), [(-25, False), (25, False), (-40, True), (40, True)])
def test_clock(declaration, seconds, refused):
    found = list(host_problems(declaration.read(), "solo1", fitness(clock=int(time.time()) + seconds)))
    assert [problem.key for problem in found] == (["clock"] if refused else [])


def test_who_is_let_in_has_a_certificate_for_that(ha):
    """Each client that a listener names exists, calls, and is signed by whom the listener asks for."""
    estate = ha.read()
    held = {(one.name, name): one for name, plan in plans(estate).items() for one in plan.certificates}
    for plan in plans(estate).values():
        for listen in plan.listens:
            let_in = [one for (name, host), one in held.items() if listen.lets_in(name, host)]
            assert bool(let_in) == bool(listen.clients), f"nobody can come in to {listen.purpose}"
            for one in let_in:
                assert one.subject.purpose in ("client", "both"), f"{one.name} can't call {listen.purpose}"
                assert one.issuer == listen.issuer, f"{listen.purpose} does not trust who signed {one.name}"


def test_no_two_services_call_by_one_name(ha):
    """Else a listener could not tell one service from another."""
    names = {}
    for plan in plans(ha.read()).values():
        for one in plan.certificates:
            if one.subject.purpose == "client":
                names.setdefault((one.issuer, one.subject.common_name, one.subject.dns), set()).add(one.name)
    assert not {name: services for name, services in names.items() if len(services) > 1}
