//! The memory that a component's instances take before any of its code runs.

use std::collections::HashMap;

use wasmtime_environ::component::{
    ComponentArtifacts, GlobalInitializer, InstantiateModule, VMComponentOffsets,
};
use wasmtime_environ::object::read::elf::ElfFile64;
use wasmtime_environ::object::{Endianness, Object as _, ObjectSection as _};
use wasmtime_environ::{CompiledModuleInfo, HostPtr, StaticModuleIndex, VMOffsets, obj};

use crate::sandbox::artifact::MachineCode;
use udping_permissions::limits::{Footprint, TABLE_ELEMENT};

/// Bytes per instance of a core module besides its own data: 200 were measured.
const INSTANCE: u64 = 512;

/// Bytes per instance of a component: its tables of handles.
const COMPONENT_INSTANCE: u64 = 512;

/// Bytes per memory besides its content: mappings, of which a process has 65,530, and the kernel's
/// page tables for the 4 GiB of addresses that are reserved for it.
const MEMORY: u64 = 64 << 10;

/// Bytes per table besides its elements.
const TABLE: u64 = 256;

/// Bytes per element of a passive segment, which is kept for later.
const PASSIVE_ELEMENT: u64 = 16;

/// Returns the footprint of the component in `code`, from the metadata that wasmtime wrote into it;
/// `None` if that is missing. Built-in components are known to take little, and are not read.
pub fn of(code: &MachineCode) -> Option<Footprint> {
    if code.is_built_in() { Some(Footprint::default()) } else { read(code.bytes()) }
}

/// Reads the footprint from a compiler's output.
pub fn read(code: &[u8]) -> Option<Footprint> {
    let file = ElfFile64::<Endianness>::parse(code).ok()?;
    let info = file.section_by_name(obj::ELF_WASMTIME_INFO)?.data().ok()?;
    let artifacts: ComponentArtifacts = postcard::from_bytes(info).ok()?;
    let component = &artifacts.info.component;
    let mut counts = HashMap::<StaticModuleIndex, u64>::new();
    for initializer in &component.initializers {
        // Modules provided by the host would be instantiated, too: this host provides none.
        if let GlobalInitializer::InstantiateModule(InstantiateModule::Static(module, _), _) =
            initializer
        {
            *counts.entry(*module).or_default() += 1;
        }
    }
    let context = u64::from(VMComponentOffsets::new(HostPtr, component).size_of_vmctx());
    let own = u64::from(component.num_runtime_component_instances) * COMPONENT_INSTANCE;
    let start = Footprint { instances: context + own, initial: 0 };
    Some(counts.into_iter().fold(start, |sum, (module, count)| {
        let one = of_instance(&artifacts.static_modules[module]);
        Footprint {
            instances: sum.instances.saturating_add(one.instances.saturating_mul(count)),
            initial: sum.initial.saturating_add(one.initial.saturating_mul(count)),
        }
    }))
}

/// The footprint of one instance of a core module.
fn of_instance(info: &CompiledModuleInfo) -> Footprint {
    let module = &info.module;
    let memories = module.memories.values().skip(module.num_imported_memories);
    let tables = module.tables.values().skip(module.num_imported_tables);
    let passive =
        module.passive_elements.values().map(|(_, length)| length.saturating_mul(PASSIVE_ELEMENT));
    let parts = [
        INSTANCE,
        u64::from(VMOffsets::new(HostPtr, module).size_of_vmctx()),
        (module.num_defined_memories() as u64).saturating_mul(MEMORY),
        (module.num_defined_tables() as u64).saturating_mul(TABLE),
        passive.fold(0, u64::saturating_add),
    ];
    let bytes = memories.map(|memory| memory.minimum_byte_size().unwrap_or(u64::MAX));
    let elements = tables.map(|table| table.limits.min.saturating_mul(TABLE_ELEMENT as u64));
    Footprint {
        instances: parts.into_iter().fold(0, u64::saturating_add),
        initial: bytes.chain(elements).fold(0, u64::saturating_add),
    }
}
